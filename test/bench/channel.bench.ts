/** The channels of `vpn.transport`: what a handshake, a frame and a stranger cost. */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createInitiator } from "../../capsules/vpn/transport/src/initiator.ts";
import { createResponder, type Responder } from "../../capsules/vpn/transport/src/responder.ts";
import { createSealed } from "../../capsules/vpn/transport/src/sealed.ts";
import {
  encodeIndex,
  MAX_COUNTER,
  PAYLOAD_CONTROL,
  PAYLOAD_READY,
} from "../../capsules/vpn/transport/src/wire.ts";
import { deviceBytes as bytes } from "../../kernel/drivers/device/src/powers/bytes.ts";
import { channelCrypto as crypto } from "../../kernel/drivers/device/src/powers/channel-crypto.ts";
import { atLeast, type BenchResult, median, show } from "./result.ts";
import { openTransportDevice } from "./transport-device.ts";

const REMOTE = { address: "127.0.0.1", port: 4000 };
const UNLIMITED = 1e9;
const FRAME = new Uint8Array(200);
const SHARE_HANDSHAKES = 2_000;
const SHARE_ROUNDS = 3;
/** Datagrams between two looks at what came back. */
const BURST = 64;
const TARGET_DROPPED = 100_000;

/** Calls a second over at least `ms`. */
function rate(ms: number, run: () => void): number {
  for (let i = 0; i < 20; i++) run();
  const start = performance.now();
  let n = 0;
  do {
    for (let i = 0; i < 10; i++) run();
    n += 10;
  } while (performance.now() - start < ms);
  return Math.round((n * 1000) / (performance.now() - start));
}

function responderOf(): { readonly responder: Responder; readonly publicKey: Uint8Array } {
  const identity = crypto.keyPair();
  const limits = { handshakesPerSecond: UNLIMITED, handshakesPerRemote: UNLIMITED };
  return {
    responder: createResponder({ crypto, bytes, identity, now: 0, ...limits }),
    publicKey: identity.publicKey,
  };
}

function handshakes(): BenchResult[] {
  const client = crypto.keyPair();
  let made = responderOf();
  let used = 0;
  let now = 0;
  const value = rate(2000, () => {
    // The responder remembers used cookies for their minute; a bench that runs faster than that gets a fresh one.
    if (++used % 10_000 === 0) made = responderOf();
    now += 0.01;
    const { responder, publicKey } = made;
    const initiator = createInitiator({ crypto, bytes, identity: client, responder: publicKey, index: 1 });
    const cookie = initiator && responder.receive(initiator.current(), REMOTE, "b", now);
    if (cookie?.kind !== "reply") throw new Error("no cookie");
    const initiate = initiator?.receive(cookie.message);
    if (initiate?.kind !== "send") throw new Error("no initiate");
    const accepted = responder.receive(initiate.message, REMOTE, "b", now);
    const ready = accepted.kind === "accepted" && accepted.open(2)?.seal(PAYLOAD_READY, encodeIndex(2));
    if (!ready || initiator?.receive(ready).kind !== "opened") throw new Error("not opened");
  });
  const a = crypto.keyPair();
  const b = crypto.keyPair().publicKey;
  const agreements = rate(500, () => void a.agree(b));
  const both = "both ends, whole handshakes";
  return [
    {
      metric: `handshakes (${both})`,
      value,
      unit: "1/s",
      peer: { name: "six X25519 agreements alone", value: Math.round(agreements / 6) },
    },
  ];
}

/** What of a handshake the gateway pays, in processor time: the cookie, which it gives to strangers too, and what comes behind it. */
function gatewayShare(): BenchResult[] {
  const cookies: number[] = [];
  const rests: number[] = [];
  const whole: number[] = [];
  for (let round = 0; round < SHARE_ROUNDS; round++) {
    const { responder, publicKey } = responderOf();
    const initiators = Array.from({ length: SHARE_HANDSHAKES }, () => {
      const made = createInitiator({
        crypto,
        bytes,
        identity: crypto.keyPair(),
        responder: publicKey,
        index: 1,
      });
      if (!made) throw new Error("no initiator");
      return made;
    });
    const hellos = initiators.map((one) => one.current());
    const took = new Float64Array(SHARE_HANDSHAKES);
    const timed = <T>(nth: number, work: () => T): T => {
      const startedAt = performance.now();
      const done = work();
      took[nth] = (took[nth] ?? 0) + performance.now() - startedAt;
      return done;
    };
    const [cookieUs, replies] = cpuUs(() =>
      hellos.map((hello, nth) => timed(nth, () => responder.receive(hello, REMOTE, "b", 0))),
    );
    const initiates = replies.map((reply, nth) => {
      const next = reply.kind === "reply" ? initiators[nth]?.receive(reply.message) : undefined;
      if (next?.kind !== "send") throw new Error("no cookie, or no initiate");
      return next.message;
    });
    const [restUs, opened] = cpuUs(() =>
      initiates.map((initiate, nth) =>
        timed(nth, () => {
          const accepted = responder.receive(initiate, REMOTE, "b", 0);
          return accepted.kind === "accepted" && accepted.open(2)?.seal(PAYLOAD_READY, encodeIndex(2));
        }),
      ),
    );
    whole.push(...took);
    if (opened.some((ready) => !ready)) throw new Error("not opened");
    cookies.push(cookieUs / SHARE_HANDSHAKES);
    rests.push(restUs / SHARE_HANDSHAKES);
  }
  const [cookie, rest] = [median(cookies), median(rests)];
  whole.sort((a, b) => a - b);
  const within = (share: number): number => (whole[Math.floor(whole.length * share)] ?? 0) * 1_000;
  return [
    { metric: "the gateway's part of a handshake: the cookie", value: cookie, unit: "µs" },
    { metric: "the gateway's part of a handshake: behind the cookie", value: rest, unit: "µs" },
    { metric: "handshakes a gateway makes on one core", value: 1_000_000 / (cookie + rest), unit: "1/s" },
    { metric: "  the gateway's part of one of them, median", value: within(0.5), unit: "µs" },
    { metric: "  99 of 100 within", value: within(0.99), unit: "µs" },
  ];
}

function cpuUs<T>(work: () => T): readonly [us: number, value: T] {
  const before = process.cpuUsage();
  const value = work();
  const { user, system } = process.cpuUsage(before);
  return [user + system, value];
}

function frames(): BenchResult[] {
  const key = crypto.random(32);
  const pair = () =>
    createSealed({ crypto, sendKey: key, receiveKey: key, theirIndex: 1, maxCounter: MAX_COUNTER });
  let [from, to] = [pair(), pair()];
  const sealed = rate(1000, () => void from.seal(PAYLOAD_CONTROL, FRAME));
  [from, to] = [pair(), pair()];
  const both = rate(1500, () => {
    const message = from.seal(PAYLOAD_CONTROL, FRAME);
    if (message === null || typeof to.open(message) === "string") throw new Error("not opened");
  });
  const nonce = new Uint8Array(24);
  const bare = rate(1000, () => void crypto.seal(FRAME, nonce, key));
  return [
    {
      metric: "frames sealed (200 B)",
      value: sealed,
      unit: "1/s",
      peer: { name: "bare secretbox of 200 B", value: bare },
    },
    {
      metric: "frames sealed and opened (200 B)",
      value: both,
      unit: "1/s",
      peer: { name: "bare secretbox twice", value: Math.round(bare / 2) },
    },
  ];
}

/** What one stranger's message costs the responder, by how far it gets. */
function strangers(): BenchResult[] {
  const { responder, publicKey } = responderOf();
  const hello = createInitiator({
    crypto,
    bytes,
    identity: crypto.keyPair(),
    responder: publicKey,
    index: 1,
  });
  if (!hello) throw new Error("no initiator");
  const noGate = hello.current().slice();
  noGate[191] = (noGate[191] ?? 0) ^ 1;
  const noise = crypto.random(192);
  const unit = "1/s";
  const taken = (message: Uint8Array): number =>
    rate(500, () => void responder.receive(message, REMOTE, "b", 0));
  const dropped = (what: string, message: Uint8Array): BenchResult => {
    const value = taken(message);
    return {
      metric: `strangers dropped: ${what}`,
      value,
      unit,
      target: atLeast(value, TARGET_DROPPED, unit),
    };
  };
  return [
    dropped("noise", noise),
    dropped("gate closed", noGate),
    { metric: "strangers answered with a cookie", value: taken(hello.current()), unit },
  ];
}

/** Real UDP, a device in its own process, strangers as fast as one socket sends for three seconds. */
async function flood(): Promise<BenchResult[]> {
  await using device = await openTransportDevice();
  const { pid, port, publicKey: responder, status } = device;
  const initiator = createInitiator({ crypto, bytes, identity: crypto.keyPair(), responder, index: 1 });
  if (!initiator) throw new Error("no initiator");
  const hello = initiator.current();
  const noGate = hello.slice();
  noGate[191] = (noGate[191] ?? 0) ^ 1;
  const frame = crypto.random(200);
  frame.set([4, 1, 0, 0]);
  const mix = [noGate, frame, crypto.random(100)];

  const socket = createSocket("udp4");
  let replies = 0;
  socket.on("message", () => replies++);
  // Its address is looked up once, not for each datagram.
  socket.connect(port, "127.0.0.1");
  await once(socket, "connect");
  const rssMb = async () =>
    Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;
  const send = async (ms: number, messages: readonly Uint8Array[]) => {
    const start = performance.now();
    let n = 0;
    while (performance.now() - start < ms) {
      for (let i = 0; i < BURST; i++) socket.send(messages[n++ % messages.length] ?? frame);
      await new Promise((resolve) => setImmediate(resolve));
    }
    return (n * 1000) / (performance.now() - start);
  };
  const dropped = async () => Object.values((await status()).counters).reduce((a, b) => a + b, 0);
  await send(1000, mix); // what the process needs at most under load is there before we look
  const [rssBefore, before, start] = [await rssMb(), await dropped(), performance.now()];
  const sent = await send(3000, mix);
  const handled = (await dropped()) - before;
  const seconds = (performance.now() - start) / 1000;
  const grownMb = (await rssMb()) - rssBefore;
  const { channels } = await status();
  socket.close();
  return [
    {
      metric: "strangers over UDP, sent",
      value: Math.round(sent),
      unit: "1/s",
      target: atLeast(sent, TARGET_DROPPED, "1/s"),
    },
    {
      metric: "strangers over UDP, dropped and counted",
      value: Math.round(handled / seconds),
      unit: "1/s",
      target: {
        text: `no reply, no channel, at least ${show(TARGET_DROPPED)} 1/s`,
        pass: replies === 0 && channels.length === 0 && handled / seconds >= TARGET_DROPPED,
      },
    },
    {
      metric: "memory of the device gained meanwhile",
      value: Math.round(grownMb * 10) / 10,
      unit: "MB",
      target: { text: "flat: less than 16 MB in 3 s of flood", pass: grownMb < 16 },
    },
  ];
}

export const name = "channel";

export const notMeasured: readonly string[] = [
  "Handshakes and frames run in one process on one core without sockets or the host protocol: what the protocol costs, not what a path carries.",
  "The strangers over UDP are limited by the one process that sends them on the same machine.",
];

export async function run(): Promise<BenchResult[]> {
  return [...handshakes(), ...gatewayShare(), ...frames(), ...strangers(), ...(await flood())];
}
