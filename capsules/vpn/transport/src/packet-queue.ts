/** Packets that wait for an active channel: few and young, because a packet that comes late is worse than one lost. */
import type { DriverClock } from "@vnes/sdk/driver";
import type { Counters } from "./counters.ts";

const MAX_QUEUED_PACKETS = 64;
const MAX_QUEUED_MS = 100;

export interface PacketQueue {
  push(packet: Uint8Array): void;
  /** Everything still young, oldest first. */
  drain(): readonly Uint8Array[];
  length(): number;
}

export function createPacketQueue(clock: DriverClock, counters: Counters): PacketQueue {
  let packets: { readonly packet: Uint8Array; readonly at: number }[] = [];
  const dropOld = () => {
    const now = clock.now();
    const young = packets.filter((one) => now - one.at <= MAX_QUEUED_MS);
    if (young.length < packets.length) counters.count("pipeQueueExpired", packets.length - young.length);
    packets = young;
  };
  return {
    push(packet) {
      dropOld();
      if (packets.length >= MAX_QUEUED_PACKETS) {
        packets.shift();
        counters.count("pipeQueueFull");
      }
      packets.push({ packet, at: clock.now() });
    },
    drain() {
      dropOld();
      const ready = packets.map((one) => one.packet);
      packets = [];
      return ready;
    },
    length: () => packets.length,
  };
}
