/**
 * The small data plane: datagrams of a local UDP port travel over the peer's active channel to the other end, which
 * sends them on from a socket of that peer, and back. No packet is ever shown to a capsule.
 *
 * P1. A packet leaves over the active channel only; while there is none it waits within the queue's bounds.
 * P2. A packet that was authenticated on another channel is dropped and counted.
 */
import type { DriverClock, Endpoint, UdpPower, UdpSocket } from "@vnes/sdk/driver";
import type { Channel } from "./channel-table.ts";
import type { PipeConfig } from "./config.ts";
import type { Counters } from "./counters.ts";
import { TransportError } from "./errors.ts";
import { createPacketQueue, type PacketQueue } from "./packet-queue.ts";
import { MAX_PAYLOAD_BYTES } from "./wire.ts";

export interface Pipe {
  start(): Promise<void>;
  /** Opened data of a channel. */
  receive(channel: Channel, packet: Uint8Array): void;
  /** The peer may have another active channel now. Returns the packets that waited and were sent. */
  activeChanged(peer: string): number;
  local(): Endpoint | null;
  queued(): number;
  stop(): void;
}

export interface PipeParts {
  readonly udp: UdpPower | undefined;
  readonly clock: DriverClock;
  readonly counters: Counters;
  readonly config: PipeConfig;
  activeChannel(peer: string): Channel | null;
  sendData(channel: Channel, packet: Uint8Array): void;
}

/** Peers that are forwarded at once; beyond it packets of new peers are dropped and counted. */
const MAX_FLOWS = 256;
/** A flow outlives a change of channel, so that the target sees one source. */
const FLOW_IDLE_MS = 60_000;

interface Flow {
  readonly queue: PacketQueue;
  /** Packets that came before the socket was open. */
  readonly early: PacketQueue;
  socket: UdpSocket | null;
  usedAt: number;
  closed: boolean;
}

export function createPipe(parts: PipeParts): Pipe {
  const { clock, counters, config } = parts;
  const flows = new Map<string, Flow>();
  const outbound = createPacketQueue(clock, counters);
  let entry: UdpSocket | null = null;
  /** Who spoke last at the local port is who gets what comes back. */
  let localPeer: Endpoint | null = null;
  let cancelSweep = () => {};

  const leave = (peer: string, queue: PacketQueue, packet: Uint8Array) => {
    if (packet.length > MAX_PAYLOAD_BYTES) return counters.count("pipeOversize");
    const channel = parts.activeChannel(peer);
    if (channel === null) queue.push(packet);
    else parts.sendData(channel, packet);
  };

  const flush = (peer: string, queue: PacketQueue): number => {
    const channel = parts.activeChannel(peer);
    if (channel === null) return 0;
    const packets = queue.drain();
    for (const packet of packets) parts.sendData(channel, packet);
    return packets.length;
  };

  const openFlow = (peer: string, target: Endpoint): Flow | null => {
    if (!parts.udp || flows.size >= MAX_FLOWS) return null;
    const flow: Flow = {
      queue: createPacketQueue(clock, counters),
      early: createPacketQueue(clock, counters),
      socket: null,
      usedAt: clock.now(),
      closed: false,
    };
    flows.set(peer, flow);
    const opening = parts.udp.open({
      address: target.address.includes(":") ? "::" : "0.0.0.0",
      port: 0,
      onDatagram(packet, remote) {
        if (remote.port !== target.port || remote.address !== target.address) {
          return counters.count("pipeOtherRemote");
        }
        flow.usedAt = clock.now();
        leave(peer, flow.queue, packet);
      },
      onError: (code) => counters.count(`pipeError.${code}`),
    });
    opening.then(
      (socket) => {
        flow.socket = socket;
        if (flow.closed) return socket.close();
        for (const packet of flow.early.drain()) socket.send(packet, target);
      },
      () => {
        counters.count("pipeFlowFailed");
        flows.delete(peer);
      },
    );
    return flow;
  };

  const forward = (peer: string, packet: Uint8Array, target: Endpoint) => {
    const flow = flows.get(peer) ?? openFlow(peer, target);
    if (flow === null) return counters.count("pipeFlowsFull");
    flow.usedAt = clock.now();
    if (flow.socket) flow.socket.send(packet, target);
    else flow.early.push(packet);
  };

  const sweep = () => {
    const now = clock.now();
    for (const [peer, flow] of flows) {
      if (now - flow.usedAt < FLOW_IDLE_MS) continue;
      flow.closed = true;
      flow.socket?.close();
      flows.delete(peer);
    }
    cancelSweep = clock.setTimer(FLOW_IDLE_MS / 6, sweep);
  };

  return {
    async start() {
      if (config.forward) sweep();
      const { listen, peer } = config;
      if (!listen || peer === undefined) return;
      try {
        if (!parts.udp) throw new Error("power net.udp is not granted");
        entry = await parts.udp.open({
          ...listen,
          onDatagram(packet, remote) {
            localPeer = remote;
            leave(peer, outbound, packet);
          },
          onError: (code) => counters.count(`pipeError.${code}`),
        });
      } catch (cause) {
        const reason = (cause as { code?: string }).code ?? String(cause);
        throw new TransportError("TRANSPORT_LISTEN_FAILED", {
          pathId: "pipe",
          kind: "udp",
          ...listen,
          reason,
        });
      }
    },
    receive(channel, packet) {
      if (parts.activeChannel(channel.peer) !== channel) return counters.count("dataNotActive");
      if (entry !== null && channel.peer === config.peer) {
        if (localPeer === null) counters.count("pipeNobodyLocal");
        else entry.send(packet, localPeer);
      } else if (config.forward) forward(channel.peer, packet, config.forward);
      else counters.count("pipeNotConfigured");
    },
    activeChanged(peer) {
      const flow = flows.get(peer);
      const forwarded = flow ? flush(peer, flow.queue) : 0;
      return forwarded + (peer === config.peer ? flush(peer, outbound) : 0);
    },
    local: () => entry?.local ?? null,
    queued: () => outbound.length(),
    stop() {
      cancelSweep();
      entry?.close();
      for (const flow of flows.values()) {
        flow.closed = true;
        flow.socket?.close();
      }
      flows.clear();
    },
  };
}
