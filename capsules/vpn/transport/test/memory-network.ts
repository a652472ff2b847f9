/**
 * A network in memory with a clock moved by hand: the powers of any number of drivers, and a hand in the middle that may
 * lose, change, repeat, hold back or invent what travels. The primitives are the real ones.
 */
import assert from "node:assert/strict";
import type {
  DriverClock,
  Endpoint,
  IdentityPower,
  JsonObject,
  LogLine,
  Powers,
  TcpConnection,
  UdpSocket,
} from "@vnes/sdk/driver";
import { deviceBytes } from "../../../../kernel/drivers/device/src/powers/bytes.ts";
import { channelCrypto } from "../../../../kernel/drivers/device/src/powers/channel-crypto.ts";
import { assertEvent } from "./spec-check.ts";

export interface ManualClock extends DriverClock {
  /** Moves time on, waking what is due in order, and lets the network settle after each step. */
  advance(ms: number): Promise<void>;
}

export interface Datagram {
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly bytes: Uint8Array;
}

export interface MemoryNetwork {
  readonly clock: ManualClock;
  /** What becomes of a datagram: by default itself. */
  middle: (datagram: Datagram) => readonly Datagram[];
  /** What becomes of a chunk of a TCP stream. */
  middleTcp: (bytes: Uint8Array, fromDialer: boolean) => readonly Uint8Array[];
  readonly seen: Datagram[];
  /** The system's code for a datagram it does not send; null: it does. */
  refuse: (datagram: Datagram) => string | null;
  /** Addresses of a machine beside the one it was made with, by that one. */
  readonly moreAddresses: Map<string, readonly string[]>;
  inject(datagram: Datagram): void;
  /** Ends every TCP connection, as a dying relay does. */
  cutTcp(): void;
  settle(): Promise<void>;
  node(address: string): MemoryNode;
}

export interface MemoryNode {
  readonly powers: Powers;
  readonly publicKey: string;
  /** Of channels. */
  readonly events: JsonObject[];
  /** Of the node itself. */
  readonly starts: JsonObject[];
  readonly logs: LogLine[];
}

export const identityOf = (): IdentityPower => {
  const pair = channelCrypto.keyPair();
  return { publicKey: pair.publicKey, agree: (peer) => pair.agree(peer) };
};

const name = (endpoint: Endpoint) => `${endpoint.address}:${endpoint.port}`;

function createManualClock(settle: () => Promise<void>): ManualClock {
  let now = 1000;
  let next = 0;
  const timers = new Map<number, { at: number; wake: () => void }>();
  return {
    now: () => now,
    setTimer(afterMs, wake) {
      const id = next++;
      timers.set(id, { at: now + Math.max(0, afterMs), wake });
      return () => void timers.delete(id);
    },
    async advance(ms) {
      const until = now + ms;
      await settle();
      for (;;) {
        const due = [...timers].filter(([, timer]) => timer.at <= until);
        due.sort(([a, x], [b, y]) => x.at - y.at || a - b);
        const first = due[0];
        if (!first) break;
        timers.delete(first[0]);
        now = Math.max(now, first[1].at);
        first[1].wake();
        await settle();
      }
      now = until;
      await settle();
    },
  };
}

export function createMemoryNetwork(): MemoryNetwork {
  const udp = new Map<string, (bytes: Uint8Array, remote: Endpoint) => void>();
  const tcp = new Map<string, (connection: TcpConnection) => void>();
  const cuts = new Set<() => void>();
  let queue: (() => void)[] = [];
  let port = 40_000;

  const settle = async () => {
    for (let quiet = 0; quiet < 3; ) {
      await new Promise((resolve) => setImmediate(resolve));
      const batch = queue;
      queue = [];
      for (const run of batch) run();
      quiet = batch.length === 0 ? quiet + 1 : 0;
    }
  };
  const network: MemoryNetwork = {
    clock: createManualClock(settle),
    middle: (datagram) => [datagram],
    middleTcp: (bytes) => [bytes],
    seen: [],
    refuse: () => null,
    moreAddresses: new Map(),
    inject(datagram) {
      queue.push(() => udp.get(name(datagram.to))?.(datagram.bytes.slice(), datagram.from));
    },
    cutTcp() {
      for (const cut of cuts) cut();
    },
    settle,
    node,
  };

  function openUdp(
    address: string,
    wanted: number,
    onDatagram: (b: Uint8Array, r: Endpoint) => void,
    onError: (code: string) => void,
  ): UdpSocket {
    const local = { address, port: wanted || port++ };
    if (udp.has(name(local))) throw Object.assign(new Error("in use"), { code: "EADDRINUSE" });
    udp.set(name(local), onDatagram);
    return {
      local,
      send(bytes, remote) {
        const datagram = { from: local, to: remote, bytes: bytes.slice() };
        const refused = network.refuse(datagram);
        if (refused !== null) return void queue.push(() => onError(refused));
        network.seen.push(datagram);
        for (const one of network.middle(datagram)) network.inject(one);
      },
      close: () => void udp.delete(name(local)),
    };
  }

  /** Both ends of a connection; what one writes the other receives after a turn of the queue. */
  function pair(dialer: Endpoint, listener: Endpoint): [TcpConnection, TcpConnection] {
    type End = {
      onBytes?: (b: Uint8Array) => void;
      onClose?: () => void;
      early: Uint8Array[];
      closed: boolean;
    };
    const ends: [End, End] = [
      { early: [], closed: false },
      { early: [], closed: false },
    ];
    const shut = () => {
      for (const end of ends) {
        if (end.closed) continue;
        end.closed = true;
        queue.push(() => {
          end.onClose?.();
          delete end.onClose;
        });
      }
      cuts.delete(shut);
    };
    cuts.add(shut);
    const side = (
      mine: End,
      other: End,
      local: Endpoint,
      remote: Endpoint,
      dials: boolean,
    ): TcpConnection => ({
      local,
      remote,
      buffered: () => 0,
      write(bytes) {
        for (const part of network.middleTcp(bytes.slice(), dials)) {
          queue.push(() => {
            if (other.closed) return;
            if (other.onBytes) other.onBytes(part);
            else other.early.push(part);
          });
        }
      },
      receive(onBytes, onClose) {
        mine.onBytes = onBytes;
        mine.onClose = onClose;
        for (const part of mine.early.splice(0)) onBytes(part);
      },
      close: () => queue.push(shut),
      abort: shut,
    });
    return [side(ends[0], ends[1], dialer, listener, true), side(ends[1], ends[0], listener, dialer, false)];
  }

  function node(address: string): MemoryNode {
    const identity = identityOf();
    const events: JsonObject[] = [];
    const starts: JsonObject[] = [];
    const logs: LogLine[] = [];
    const here = (asked: string) => (asked === "0.0.0.0" ? address : asked);
    const powers: Powers = {
      clock: network.clock,
      bytes: deviceBytes,
      log: (level, message) => void logs.push({ level, message }),
      publish(topic, key, event) {
        assert.equal(topic, "vpn.channel.v1");
        assert.equal(key, (event as JsonObject)["peer"]);
        assertEvent(event);
        if ((event as JsonObject)["channelId"] === undefined) starts.push(event as JsonObject);
        else events.push(event as JsonObject);
      },
      "net.udp": {
        addresses: () => [address, ...(network.moreAddresses.get(address) ?? [])],
        open: async (options) =>
          openUdp(
            here(options.address),
            options.port,
            (bytes, remote) => options.onDatagram(bytes, remote),
            (code) => options.onError(code),
          ),
      },
      "net.tcp": {
        async listen(options) {
          const local = { address: here(options.address), port: options.port || port++ };
          tcp.set(name(local), (connection) => options.onConnection(connection));
          return { local, close: () => void tcp.delete(name(local)) };
        },
        async connect(options) {
          const accept = tcp.get(name(options));
          if (!accept) throw Object.assign(new Error("refused"), { code: "ECONNREFUSED" });
          const [dialed, accepted] = pair(
            { address, port: port++ },
            { address: options.address, port: options.port },
          );
          accept(accepted);
          return dialed;
        },
      },
      "crypto.channel": channelCrypto,
      identity,
    };
    return { powers, publicKey: deviceBytes.toBase64(identity.publicKey), events, starts, logs };
  }
  return network;
}
