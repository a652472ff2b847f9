/** What many topics and many timers cost: a boot for each topic, a publish among them, a timer set and fired. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Node } from "@vnes/kernel";
import type { Json } from "@vnes/schemas";
import { capsule } from "@vnes/sdk";
import { manifestOf, type TestCapsule } from "../../kernel/test/node-harness.ts";
import { bootBenchNode, callInFlight } from "./bench-node.ts";
import { atMost, type BenchResult } from "./result.ts";

const TOPICS = [100, 1_000, 10_000] as const;
const TOPICS_A_CAPSULE = 100;
const PUBLISHES = 5_000;
const TIMERS = [10_000, 100_000] as const;
const TIMERS_A_TURN = 500;
/** Long enough for all of them to be set before the first is due. */
const TIMERS_DUE_MS = 8_000;
/** Anything that is done for each pair of topics or timers would be ten times dearer at ten times as many. */
const TARGET_GROWTH = 2;

export const name = "scale";

/** It waits for its timers: only when it is named. */
export const isLong = true;

export const notMeasured: readonly string[] = [
  "waiting for the disk: figures are processor time of this process, all threads",
  "that timers fire in time; sandboxes, of which a real node opens one for each capsule",
];

export async function run(): Promise<readonly BenchResult[]> {
  const directory = mkdtempSync(join(tmpdir(), "vnes-bench-scale-"));
  try {
    return [...(await topics(directory)), ...(await timers(directory))];
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function topics(directory: string): Promise<readonly BenchResult[]> {
  const boots: number[] = [];
  const publishes: number[] = [];
  for (const count of TOPICS) {
    const capsules = Array.from({ length: count / TOPICS_A_CAPSULE }, (_, index) => speaker(index));
    const path = join(directory, `topics-${count}`);
    const first = await bootBenchNode(path, capsules);
    await first.node[Symbol.asyncDispose]();
    // Again, with every partition's shard to read back.
    const { value: node, cpuUs } = await measured(async () => (await bootBenchNode(path, capsules)).node);
    boots.push(cpuUs / count);
    const inputs = (): Json => topicName(0, Math.floor(Math.random() * TOPICS_A_CAPSULE));
    let asked = 0;
    const publish = (until: number) =>
      callInFlight(node, 64, ["test.speaker0", "say"], inputs, () => asked++ >= until);
    await publish(PUBLISHES);
    publishes.push((await measured(() => publish(2 * PUBLISHES))).cpuUs / PUBLISHES);
    await node[Symbol.asyncDispose]();
  }
  const titles = TOPICS.map((count) => `${count.toLocaleString("en")} topics`);
  return [
    ...rows((title) => `boot again for each of ${title}`, titles, boots),
    ...rows((title) => `an event published among ${title}`, titles, publishes),
  ];
}

async function timers(directory: string): Promise<readonly BenchResult[]> {
  const fired = { timers: 0 };
  const { node } = await bootBenchNode(join(directory, "timers"), [alarm(fired)]);
  const costs: number[] = [];
  await setAndFire(node, fired, TIMERS[0]);
  for (const count of TIMERS)
    costs.push((await measured(() => setAndFire(node, fired, count))).cpuUs / count);
  await node[Symbol.asyncDispose]();
  const titles = TIMERS.map((count) => count.toLocaleString("en"));
  return rows((title) => `a timer set and fired, of ${title}`, titles, costs);
}

async function setAndFire(node: Node, fired: { timers: number }, count: number): Promise<void> {
  const until = fired.timers + count;
  for (let from = 0; from < count; from += TIMERS_A_TURN) {
    const answer = await node.call("test.alarm", "set", from, 60_000);
    if (!answer.ok) throw new Error(`${answer.code}: ${answer.message}`);
  }
  while (fired.timers < until) await delay(20);
}

function topicName(speaker: number, index: number): string {
  return `bench.s${speaker}x${index}.v1`;
}

/** Owns a hundred topics and listens to those of the one before it. */
function speaker(index: number): TestCapsule {
  const id = `test.speaker${index}`;
  const names = (of: number) => Array.from({ length: TOPICS_A_CAPSULE }, (_, n) => topicName(of, n));
  const own = names(index);
  const heard = index === 0 ? [] : names(index - 1);
  const definitions = own.map((topic) => {
    const definition = {
      schema_version: "v1",
      topic,
      owner: id,
      description: "for a benchmark",
      schemas: [{ type: "object" }],
      partition: { count: 1 },
      quality: "exactly_once",
      retention: {},
      flow: { policy: "block", buffer: 100 },
    };
    return [`spec/topics/${topic}.json`, definition] as const;
  });
  return {
    manifest: manifestOf(id, {
      capabilities: { provides: [id] },
      bus: { publishes: own, subscribes: heard },
    }),
    spec: {
      "spec/schema.json": { $defs: { [`${id}.say.input`]: { type: "string" } } },
      ...Object.fromEntries(definitions),
    },
    bundle: () =>
      capsule({
        calls: {
          [`${id}.say`]: (turn, topic) => {
            turn.publish(topic as string, "k", {});
            return null;
          },
        },
        events: Object.fromEntries(heard.map((topic) => [topic, () => undefined])),
      }),
  };
}

function alarm(fired: { timers: number }): TestCapsule {
  return {
    manifest: manifestOf("test.alarm", { capabilities: { provides: ["test.alarm"] } }),
    spec: { "spec/schema.json": { $defs: { "test.alarm.set.input": { type: "integer" } } } },
    bundle: () =>
      capsule({
        calls: {
          "test.alarm.set": (turn, from) => {
            for (let n = 0; n < TIMERS_A_TURN; n++)
              turn.setTimer(`ring:${(from as number) + n}`, turn.at + TIMERS_DUE_MS - n);
            return null;
          },
        },
        timers: {
          ring: () => {
            fired.timers++;
          },
        },
      }),
  };
}

async function measured<T>(work: () => Promise<T>): Promise<{ readonly value: T; readonly cpuUs: number }> {
  const start = process.cpuUsage();
  const value = await work();
  const { user, system } = process.cpuUsage(start);
  return { value, cpuUs: user + system };
}

/** The first has nothing to be compared with; the last must not be dearer than the one before it by more than the target. */
function rows(
  metricOf: (title: string) => string,
  titles: readonly string[],
  values: readonly number[],
): readonly BenchResult[] {
  return values.map((value, index): BenchResult => {
    const metric = metricOf(titles[index] as string);
    const unit = "µs";
    const before = values[index - 1];
    if (before === undefined || index < values.length - 1) return { metric, value, unit };
    const peer = { name: titles[index - 1] as string, value: before };
    return { metric, value, unit, peer, target: atMost(value, TARGET_GROWTH * before, unit) };
  });
}
