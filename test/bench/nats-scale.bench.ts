/** A ledger on NATS that grew: many topics, and a hundred thousand records to read back at a boot. */
import { randomBytes } from "node:crypto";
import { openBus } from "@vnes/driver-nats";
import type { NewRecord } from "@vnes/kernel";
import type { Json } from "@vnes/schemas";
import { hasNatsServer, startNatsServers } from "../../kernel/drivers/nats/test/nats-servers.ts";
import { bootBenchNode, callInFlight } from "./bench-node.ts";
import { growth, measured } from "./growth.ts";
import { openStore } from "./nats.bench.ts";
import type { BenchResult } from "./result.ts";
import { speaker, topicName, TOPICS_A_CAPSULE } from "./speaker-capsule.ts";

const TOPICS = [100, 500] as const;
const PUBLISHES = 3_000;
const IN_FLIGHT = 64;
const RECORDS = 100_000;
const RECORD_BYTES = 512;
const BATCH = 200;
const PAGE = 1_000;
const SHARD = "bench.0/0";

export const name = "nats-scale";

/** Half a minute: only when it is named. */
export const isLong = true;

export const notMeasured: readonly string[] = [
  "the server's own work: figures in \u00b5s are processor time of this process, all threads",
  "a network: client and server share this machine and its cores",
  "the folding of what was read (see the bench of recovery), snapshots, a cold file cache",
];

export async function run(): Promise<readonly BenchResult[]> {
  if (!hasNatsServer()) throw new Error("there is no nats-server: apt-get install nats-server");
  await using servers = await startNatsServers();
  return [...(await topics(servers.urls)), ...(await recovery(servers.urls))];
}

async function topics(servers: readonly string[]): Promise<readonly BenchResult[]> {
  const costs: number[] = [];
  for (const count of TOPICS) {
    await using bus = await openBus({ servers, node: "test" });
    const capsules = Array.from({ length: count / TOPICS_A_CAPSULE }, (_, index) => speaker(index));
    const { node } = await bootBenchNode(await openStore(bus, `topics-${count}`), capsules);
    await using _ = node;
    const inputs = (_caller: number, nth: number): Json => topicName(0, nth % TOPICS_A_CAPSULE);
    let asked = 0;
    const publish = (until: number) =>
      callInFlight(node, IN_FLIGHT, ["test.speaker0", "say"], inputs, () => asked++ >= until);
    await publish(PUBLISHES);
    costs.push((await measured(() => publish(2 * PUBLISHES))).cpuUs / PUBLISHES);
  }
  const titles = TOPICS.map((count) => `${count} topics`);
  return growth((title) => `an event published among ${title}, on NATS`, titles, costs);
}

async function recovery(servers: readonly string[]): Promise<readonly BenchResult[]> {
  await using bus = await openBus({ servers, node: "test" });
  const record = (): NewRecord => ({ bytes: randomBytes(RECORD_BYTES), hash: randomBytes(32) });
  const first = await openStore(bus, "recovery");
  const appends: Promise<number>[] = [];
  for (let seq = 0; seq < RECORDS; seq += BATCH)
    appends.push(first.append(SHARD, seq, Array.from({ length: BATCH }, record)));
  await Promise.all(appends);
  await first[Symbol.asyncDispose]();
  const startedAt = performance.now();
  await using store = await openStore(bus, "recovery");
  const openedAt = performance.now();
  let read = 0;
  while (read < RECORDS) read += (await store.read(SHARD, read + 1, PAGE)).length;
  const endedAt = performance.now();
  const rate = (ms: number): number => (RECORDS * 1_000) / ms;
  const what = `${RECORDS.toLocaleString("en")} records of ${RECORD_BYTES} B on NATS`;
  return [
    { metric: `${what}: opened`, value: rate(openedAt - startedAt), unit: "records/s" },
    { metric: `${what}: opened and read back`, value: rate(endedAt - startedAt), unit: "records/s" },
  ];
}
