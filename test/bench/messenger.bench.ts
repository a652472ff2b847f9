/** What two nodes in two processes can say to each other over one nats-server, beside what others can over the same. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { natsMessenger, openBus } from "@vnes/driver-nats";
import type { Messenger } from "@vnes/kernel";
import { cryptoRandom } from "../../cli/src/node/crypto-random.ts";
import { SystemClock } from "../../cli/src/node/system-clock.ts";
import { RemotePartition } from "../../kernel/src/cluster/remote-partition.ts";
import { Counters } from "../../kernel/src/runtime/node/counters.ts";
import { startNatsServers } from "../../kernel/drivers/nats/test/nats-servers.ts";
import type { LedgerKind } from "./cluster-node.ts";
import { brokerOptions, type Moleculer, PAGED_EVENTS } from "./messenger-echo.ts";
import { requirePeer } from "./peers.ts";
import { atLeast, type BenchResult, median } from "./result.ts";

const IN_FLIGHT = 64;
const REQUESTS = 20_000;
const SERIAL_REQUESTS = 2_000;
const EVENTS = 200_000;
const DURABLE_CALLS = 5_000;
/** Both sides of a comparison in turn, so that a busy minute of the machine hits both. */
const ROUNDS = 5;
const INPUT = { p: "a".repeat(256) };
const EVENT = new Uint8Array(256).fill(97);
/** Events between two looks whether the server keeps up. */
const FLUSH_EVERY = 1_024;

export const name = "messenger";
export const notMeasured: readonly string[] = [
  "more than two nodes, or a network between them: both processes and the server share this machine's cores",
  "durable calls of capsules in isolates: theirs run in the nodes' own processes here",
  "messages larger than a few hundred bytes",
];

type Ask = () => Promise<unknown>;

async function requestsPerSecond(ask: Ask, count: number, inFlight: number): Promise<number> {
  let left = count;
  const start = performance.now();
  const worker = async (): Promise<void> => {
    while (left-- > 0) await ask();
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  return (count * 1_000) / (performance.now() - start);
}

async function eventsPerSecond(
  echo: ChildProcess,
  publish: (event: Uint8Array) => boolean,
  flush: () => Promise<void>,
): Promise<number> {
  echo.send({ count: EVENTS });
  await once(echo, "message");
  const heard = once(echo, "message");
  const start = performance.now();
  for (let sent = 1; sent <= EVENTS; sent++) {
    while (!publish(EVENT)) await flush();
    if (sent % FLUSH_EVERY === 0) await flush();
  }
  await flush();
  await heard;
  return (EVENTS * 1_000) / (performance.now() - start);
}

/** Runs every one in turn, several times; the medians, in order. */
async function inTurn(runs: readonly (() => Promise<number>)[]): Promise<number[]> {
  const values = runs.map((): number[] => []);
  // The first round only warms up.
  for (let round = 0; round <= ROUNDS; round++)
    for (const [index, run] of runs.entries()) {
      const value = await run();
      if (round > 0) values[index]?.push(value);
    }
  return values.map((of) => Math.round(median(of)));
}

export async function run(): Promise<readonly BenchResult[]> {
  const { ServiceBroker } = requirePeer("moleculer") as Moleculer;
  await using servers = await startNatsServers();
  const url = servers.urls[0] as string;
  const echo = fork(new URL("messenger-echo.ts", import.meta.url), [url], {
    execArgv: ["--conditions=source", "--disable-warning=ExperimentalWarning"],
  });
  await once(echo, "message");
  const bus = await openBus({ servers: [url], node: "ask", noEcho: true });
  const messenger = natsMessenger({
    bus,
    namespace: "bench",
    node: "ask",
    clock: new SystemClock(),
    random: cryptoRandom,
  });
  const bare = await connect({ servers: url });
  const broker = new ServiceBroker(brokerOptions("ask", url));
  await broker.start();
  await broker.waitForServices("echo");
  try {
    const asked = await requests(messenger, bare, broker);
    const request = asked[0]?.value ?? 0;
    const durable = [await durableCalls(url, "sqlite", request), await durableCalls(url, "nats", request)];
    return [
      ...asked,
      ...durable,
      await pagedEvents(messenger, bare),
      ...(await events(echo, messenger, bare)),
    ];
  } finally {
    await broker.stop();
    await bare.close();
    await messenger[Symbol.asyncDispose]();
    echo.disconnect();
  }
}

async function requests(
  messenger: Messenger,
  bare: NatsConnection,
  broker: InstanceType<Moleculer["ServiceBroker"]>,
): Promise<BenchResult[]> {
  const encoder = new TextEncoder();
  const decoder = new TextDecoder();
  const ours: Ask = async () => {
    const answer = await messenger.request("echo", "echo", encoder.encode(JSON.stringify(INPUT)), 10_000);
    return JSON.parse(decoder.decode(answer)) as unknown;
  };
  const moleculer: Ask = () => broker.call("echo.ping", INPUT);
  const plain: Ask = async () => (await bare.request("bench.request", JSON.stringify(INPUT))).json();
  const many = (ask: Ask) => () => requestsPerSecond(ask, REQUESTS, IN_FLIGHT);
  const [value = 0, peer = 0, natsRequest = 0] = await inTurn([many(ours), many(moleculer), many(plain)]);
  const one = (ask: Ask) => () => requestsPerSecond(ask, SERIAL_REQUESTS, 1);
  const [serial = 0, serialPeer = 0] = await inTurn([one(ours), one(moleculer)]);
  const unit = "1/s";
  return [
    {
      metric: `requests, ${IN_FLIGHT} in flight, 256 B of JSON both ways`,
      value,
      unit,
      peer: { name: "Moleculer 0.15", value: peer },
      target: atLeast(value, peer, unit),
    },
    { metric: `the same`, value, unit, peer: { name: "@nats-io request()", value: natsRequest } },
    {
      metric: "requests, one after the other",
      value: serial,
      unit,
      peer: { name: "Moleculer 0.15", value: serialPeer },
    },
  ];
}

/** From turn to turn: a call that is in the caller's ledger, its turn in the provider's, its answer in the caller's. */
async function durableCalls(url: string, kind: LedgerKind, request: number): Promise<BenchResult> {
  const nodes = ["west", "east"].map((node) =>
    fork(new URL("cluster-node.ts", import.meta.url), [url, node, kind], {
      execArgv: ["--conditions=source", "--disable-warning=ExperimentalWarning"],
    }),
  );
  await Promise.all(nodes.map(async (node) => await once(node, "message")));
  const east = nodes[1] as ChildProcess;
  const go = async (): Promise<number> => {
    east.send({ count: DURABLE_CALLS, inFlight: IN_FLIGHT });
    const [{ ms }] = (await once(east, "message")) as [{ readonly ms: number }];
    return (DURABLE_CALLS * 1_000) / ms;
  };
  const [value = 0] = await inTurn([go]);
  for (const node of nodes) node.disconnect();
  const where = kind === "sqlite" ? "a ledger file each" : "ledgers on the same server";
  return {
    metric: `durable calls, ${IN_FLIGHT} in flight, ${where}`,
    value,
    unit: "1/s",
    peer: { name: "a messenger request", value: request },
  };
}

/** How events of a partition reach a subscriber on another node, and how they would straight from the owner's stream. */
async function pagedEvents(messenger: Messenger, bare: NatsConnection): Promise<BenchResult> {
  const js = jetstream(bare);
  const manager = await jetstreamManager(bare);
  await manager.streams.add({ name: "BENCH_EVENTS", subjects: ["bench.kept"] });
  const event = JSON.stringify({ seq: 1, key: "k", event: INPUT, hash: "0".repeat(64) });
  for (let sent = 0; sent < PAGED_EVENTS; sent += FLUSH_EVERY) {
    const some = Array.from({ length: Math.min(FLUSH_EVERY, PAGED_EVENTS - sent) });
    await Promise.all(some.map(async () => await js.publish("bench.kept", event)));
  }
  const paged = async (): Promise<number> => {
    const parts = { shard: "topic/bench.v1/0", topic: "bench.v1", index: 0, owner: "echo" };
    const here = { messenger, clock: new SystemClock(), counters: new Counters() };
    const partition = new RemotePartition({ ...parts, ...here });
    const start = performance.now();
    await new Promise<void>((done) => {
      let next = 1;
      partition.onEvents(() => {
        next += partition.peek(next, PAGED_EVENTS)?.length ?? 0;
        if (next > PAGED_EVENTS) done();
      });
      partition.peek(next, 1);
    });
    partition.close();
    return (PAGED_EVENTS * 1_000) / (performance.now() - start);
  };
  const consumed = async (): Promise<number> => {
    const consumer = await js.consumers.get("BENCH_EVENTS");
    const start = performance.now();
    const messages = await consumer.consume({ max_messages: 5_000 });
    let seen = 0;
    for await (const message of messages) {
      message.json();
      if (++seen === PAGED_EVENTS) break;
    }
    await messages.close();
    return (PAGED_EVENTS * 1_000) / (performance.now() - start);
  };
  const [value = 0, peer = 0] = await inTurn([paged, consumed]);
  return {
    metric: "events of a partition on another node, read in pages from its owner",
    value,
    unit: "1/s",
    peer: { name: "the same from a JetStream consumer", value: peer },
  };
}

async function events(
  echo: ChildProcess,
  messenger: Messenger,
  bare: NatsConnection,
): Promise<BenchResult[]> {
  const [value = 0, peer = 0] = await inTurn([
    () =>
      eventsPerSecond(
        echo,
        (event) => messenger.publish("events", event),
        () => messenger.flush(),
      ),
    () =>
      eventsPerSecond(
        echo,
        (event) => {
          bare.publish("bench.bare", event);
          return true;
        },
        () => bare.flush(),
      ),
  ]);
  return [
    {
      metric: "ephemeral events of 256 B, published and heard",
      value,
      unit: "1/s",
      peer: { name: "bare @nats-io publish", value: peer },
      target: atLeast(value, 0.7 * peer, "1/s"),
    },
  ];
}
