/** Durable turns on NATS, beside bare JetStream publishes of the same records to the same server in the same run. */
import { createHash, randomBytes } from "node:crypto";
import { jetstream, jetstreamManager, StorageType } from "@nats-io/jetstream";
import { type Bus, type NatsLedgerStore, openBus, openNatsLedgerStore } from "@vnes/driver-nats";
import { DEFAULT_LEDGER_GROUPS, ledgerGroupOf, nodeGroup, sharedGroups } from "@vnes/kernel";
import { hasNatsServer, startNatsServers } from "../../kernel/drivers/nats/test/nats-servers.ts";
import { bootBenchNode, callInFlight } from "./bench-node.ts";
import { counter } from "./counter-capsule.ts";
import { atLeast, type BenchResult, median } from "./result.ts";

/** About what a small turn makes. */
const RECORD_BYTES = 512;
const IN_FLIGHT = 256;
const SHARDS = 64;
const ROUND_MS = 600;
const ROUNDS = 3;
const TARGET = 0.6;

const bytes = randomBytes(RECORD_BYTES);
const hash = createHash("sha256").update(bytes).digest();

export const name = "nats";

export const notMeasured: readonly string[] = [
  "the sandbox: the capsule of the turns runs in the kernel's process (see the bench of isolates)",
  "a network: client and server share this machine and its cores",
  "fsync: JetStream acknowledges before it, here and there alike",
];

export async function run(): Promise<readonly BenchResult[]> {
  if (!hasNatsServer()) throw new Error("there is no nats-server: apt-get install nats-server");
  const alone = await measure(1);
  const cluster = await measure(3);
  return [...alone, ...cluster];
}

async function measure(count: 1 | 3): Promise<readonly BenchResult[]> {
  await using servers = await startNatsServers({ count });
  const ours: number[] = [];
  const bare: number[] = [];
  const oneByOne: number[] = [];
  const whole: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    ours.push(await appends(servers.urls, `bench-${round}`, IN_FLIGHT));
    bare.push(await publishes(servers.urls, `BARE_${round}`, count));
    oneByOne.push(await appends(servers.urls, `one-${round}`, 1));
    whole.push(await turns(servers.urls, `turns-${round}`));
  }
  const where = count === 1 ? "one server" : "three servers, three copies";
  const value = median(ours);
  const limit = median(bare);
  const peer = { name: `bare JetStream publish, ${IN_FLIGHT} in flight`, value: limit };
  const node = median(whole);
  const bound = TARGET * limit;
  return [
    {
      metric: `durable turns of a node, ${IN_FLIGHT} in flight, ${where}`,
      value: node,
      unit: "turns/s",
      peer,
      target: atLeast(node, bound, "turns/s"),
    },
    {
      metric: `durable appends of ${RECORD_BYTES} B, ${IN_FLIGHT} in flight, ${where}`,
      value,
      unit: "appends/s",
      peer,
      target: atLeast(value, bound, "appends/s"),
    },
    {
      metric: `durable appends of ${RECORD_BYTES} B, one after another, ${where}`,
      value: median(oneByOne),
      unit: "appends/s",
    },
  ];
}

/** Whole turns of a node, all of one capsule and so of one group. */
async function turns(servers: readonly string[], namespace: string): Promise<number> {
  await using bus = await openBus({ servers, node: "test" });
  const { node } = await bootBenchNode(await openStore(bus, namespace), [counter]);
  await using _ = node;
  const start = performance.now();
  const isOver = (): boolean => performance.now() - start >= 2 * ROUND_MS;
  const input = (caller: number) => ({ key: `k${caller}` });
  const answers = await callInFlight(node, IN_FLIGHT, ["test.counter", "add"], input, isOver);
  return answers / ((performance.now() - start) / 1000);
}

export async function openStore(bus: Bus, namespace: string): Promise<NatsLedgerStore> {
  const groups = DEFAULT_LEDGER_GROUPS;
  return await openNatsLedgerStore({
    bus,
    namespace,
    node: "test",
    instance: "bench",
    groups,
    groupOf: (shard) => ledgerGroupOf(shard, groups),
    owns: [...sharedGroups(groups), nodeGroup("test")],
  });
}

/** Each of `inFlight` writers appends again as soon as it was answered. */
async function appends(servers: readonly string[], namespace: string, inFlight: number): Promise<number> {
  await using bus = await openBus({ servers, node: "test" });
  await using store = await openStore(bus, namespace);
  const seqs = Array.from({ length: SHARDS }, () => 0);
  return await rate(inFlight, async (writer) => {
    const shard = writer % SHARDS;
    const expected = seqs[shard] ?? 0;
    seqs[shard] = expected + 1;
    await store.append(`bench.${shard}/0`, expected, [{ bytes, hash }]);
  });
}

async function publishes(servers: readonly string[], stream: string, copies: number): Promise<number> {
  await using bus = await openBus({ servers, node: "bare" });
  const jsm = await jetstreamManager(bus.connection);
  await jsm.streams.add({
    name: stream,
    subjects: [stream],
    storage: StorageType.File,
    num_replicas: copies,
  });
  const js = jetstream(bus.connection);
  const record = Buffer.concat([hash, bytes]);
  return await rate(IN_FLIGHT, async () => {
    await js.publish(stream, record);
  });
}

async function rate(inFlight: number, work: (writer: number) => Promise<void>): Promise<number> {
  const startedAt = performance.now();
  const deadline = startedAt + ROUND_MS;
  let done = 0;
  const writer = async (number: number): Promise<void> => {
    while (performance.now() < deadline) {
      await work(number);
      done++;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, async (_, number) => await writer(number)));
  return done / ((performance.now() - startedAt) / 1000);
}
