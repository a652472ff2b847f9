/** What many topics and many timers cost: a boot for each topic, a publish among them, a timer set and fired. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Node } from "@vnes/kernel";
import type { Json } from "@vnes/schemas";
import { capsule } from "@vnes/sdk";
import { manifestOf, type TestCapsule } from "../../kernel/test/harness/node-harness.ts";
import { bootBenchNode, callInFlight } from "./bench-node.ts";
import { growth, measured } from "./growth.ts";
import type { BenchResult } from "./result.ts";
import { speaker, topicName, TOPICS_A_CAPSULE } from "./speaker-capsule.ts";

const TOPICS = [100, 1_000, 10_000] as const;
const PUBLISHES = 5_000;
const TIMERS = [10_000, 100_000] as const;
const TIMERS_A_TURN = 500;
/** Long enough for all of them to be set before the first is due. */
const TIMERS_DUE_MS = 8_000;
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
    ...growth((title) => `boot again for each of ${title}`, titles, boots),
    ...growth((title) => `an event published among ${title}`, titles, publishes),
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
  return growth((title) => `a timer set and fired, of ${title}`, titles, costs);
}

async function setAndFire(node: Node, fired: { timers: number }, count: number): Promise<void> {
  const until = fired.timers + count;
  for (let from = 0; from < count; from += TIMERS_A_TURN) {
    const answer = await node.call("test.alarm", "set", from, 60_000);
    if (!answer.ok) throw new Error(`${answer.code}: ${answer.message}`);
  }
  while (fired.timers < until) await delay(20);
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
