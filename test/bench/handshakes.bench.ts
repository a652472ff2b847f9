/** Handshakes of real UDP with the transport in its device process, among more and more channels that stay open. */
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInitiator, type Initiator } from "../../capsules/vpn/transport/src/initiator.ts";
import { PAYLOAD_KEEPALIVE } from "../../capsules/vpn/transport/src/wire.ts";
import { deviceBytes as bytes } from "../../kernel/drivers/device/src/powers/bytes.ts";
import { channelCrypto as crypto } from "../../kernel/drivers/device/src/powers/channel-crypto.ts";
import { processorUs } from "./processor-time.ts";
import { atMost, type BenchResult, show } from "./result.ts";
import { openTransportDevice, type TransportDevice } from "./transport-device.ts";

/** A device has 65,536 channels at most; a session is bound to one, and those that are bound to none are no handshake's business. */
const SIZES = [1_000, 10_000, 60_000] as const;
const IN_FLIGHT = 64;
const MEASURED = 1_000;
const ALONE = 200;
const TARGET_GROWTH = 1.5;
/** A datagram of this machine is lost when a buffer is full; who waits longer sends again. */
const REPEAT_MS = 500;
const LIMITS = { handshakesPerSecond: 1_000_000, handshakesPerRemote: 1_000_000, channels: 65_536 };
/** Channels say next to nothing meanwhile. */
const RHYTHM = { keepaliveMs: 60_000, silentMs: 600_000, deadMs: 3_600_000, handshakeMs: 60_000 };

export const name = "handshakes";

/** Two minutes: only when it is named. */
export const isLong = true;

export const notMeasured: readonly string[] = [
  "a network: the clients are this process, on the same machine",
  "the session made or found behind a handshake: npm run bench -- sessions",
];

export async function run(): Promise<readonly BenchResult[]> {
  await using device = await openTransportDevice({ ...RHYTHM, limits: LIMITS });
  using clients = await openClients(device);
  const results: BenchResult[] = [];
  let first: number | undefined;
  for (const size of SIZES) {
    const among = `among ${size.toLocaleString("en")} open channels`;
    await clients.open(size - clients.opened, IN_FLIGHT);
    const before = processorUs(device.pid);
    const { perSecond } = await clients.open(MEASURED, IN_FLIGHT);
    const cost = (processorUs(device.pid) - before) / MEASURED;
    const alone = await clients.open(ALONE, 1);
    first ??= cost;
    const flat = {
      peer: { name: `among ${show(SIZES[0])}`, value: first },
      target: atMost(cost, TARGET_GROWTH * first, "µs"),
    };
    results.push(
      {
        metric: `processor time of the device for a handshake ${among}`,
        value: cost,
        unit: "µs",
        ...(size === SIZES[0] ? {} : flat),
      },
      { metric: `handshakes a second and core ${among}`, value: 1_000_000 / cost, unit: "1/s" },
      { metric: `handshakes a second ${among}, ${IN_FLIGHT} in flight`, value: perSecond, unit: "1/s" },
      { metric: `a handshake alone ${among}, median`, value: at(alone.tookMs, 0.5), unit: "ms" },
      { metric: "  99 of 100 within", value: at(alone.tookMs, 0.99), unit: "ms" },
      { metric: `resident memory of the device ${among}`, value: residentMb(device.pid), unit: "MB" },
    );
  }
  const { channels, counters } = await device.status();
  if (channels.length !== clients.opened)
    throw new Error(`${channels.length} of ${clients.opened} channels are open: ${JSON.stringify(counters)}`);
  return results;
}

interface Opened {
  readonly perSecond: number;
  readonly tookMs: readonly number[];
}

interface Clients extends Disposable {
  readonly opened: number;
  open(count: number, inFlight: number): Promise<Opened>;
}

/** Each with a key and a port of its own, which it gives up once its channel is confirmed. */
async function openClients(device: TransportDevice): Promise<Clients> {
  const sockets = await Promise.all(Array.from({ length: IN_FLIGHT }, () => openSocket(device)));
  let opened = 0;
  return {
    get opened() {
      return opened;
    },
    async open(count, inFlight) {
      const tookMs: number[] = [];
      const startedAt = performance.now();
      let left = count;
      const work = async (socket: Socket): Promise<void> => {
        while (left-- > 0) tookMs.push(await handshake(socket, device.publicKey, opened + tookMs.length + 1));
      };
      await Promise.all(sockets.slice(0, inFlight).map(work));
      opened += count;
      return { perSecond: (count * 1_000) / (performance.now() - startedAt), tookMs };
    },
    [Symbol.dispose]() {
      for (const socket of sockets) socket.close();
    },
  };
}

async function openSocket({ port }: TransportDevice): Promise<Socket> {
  const socket = createSocket("udp4");
  socket.connect(port, "127.0.0.1");
  await once(socket, "connect");
  return socket;
}

/** From the Hello to the frame that says ready, in milliseconds; the client's key was made before. */
async function handshake(socket: Socket, responder: Uint8Array, index: number): Promise<number> {
  const initiator = createInitiator({ crypto, bytes, identity: crypto.keyPair(), responder, index });
  if (!initiator) throw new Error("no initiator");
  const startedAt = performance.now();
  const sealed = await untilOpened(socket, initiator);
  const took = performance.now() - startedAt;
  // What confirms the channel; without it the responder gives it up.
  socket.send(sealed);
  return took;
}

function untilOpened(socket: Socket, initiator: Initiator): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const repeating = setInterval(() => socket.send(initiator.current()), REPEAT_MS);
  const receive = (message: Uint8Array): void => {
    const step = initiator.receive(new Uint8Array(message));
    if (step.kind === "send") socket.send(step.message);
    if (step.kind !== "opened") return;
    const confirmation = step.sealed.seal(PAYLOAD_KEEPALIVE, new Uint8Array(0));
    if (confirmation === null) reject(new Error("nothing can be sealed"));
    else resolve(confirmation);
  };
  socket.on("message", receive);
  socket.send(initiator.current());
  return promise.finally(() => {
    clearInterval(repeating);
    socket.off("message", receive);
  });
}

function at(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

function residentMb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1_024;
}
