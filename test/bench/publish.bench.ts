/** Events through a durable topic: published by one capsule, checked, kept, and consumed exactly once by another. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as nextRound } from "node:timers/promises";
import { type BenchNode, bootBenchNode, callInFlight } from "./bench-node.ts";
import { type Heard, publishCapsules } from "./publish-capsules.ts";
import { atLeast, type BenchResult, median } from "./result.ts";

const IN_FLIGHT = 64;
const WARM_UP_EVENTS = 10_000;
const ROUND_EVENTS = 10_000;
/** The two take turns, so that a noisy moment does not hit one of them only. */
const ROUNDS = 5;
const TARGET_SHARE = 0.7;

export const name = "publish";

export const notMeasured: readonly string[] = [
  "the sandbox: both capsules run in the kernel's process (see the bench of isolates)",
  "the schema alone: an event is 350 bytes under a schema of 20 members (ajv, about a microsecond)",
  "several partitions, several subscribers, a subscriber that falls behind",
];

interface Side extends BenchNode {
  readonly heard: Heard;
}

export async function run(): Promise<readonly BenchResult[]> {
  const directory = mkdtempSync(join(tmpdir(), "vnes-bench-publish-"));
  const sides: Side[] = [];
  try {
    for (const isValidated of [true, false]) {
      const heard: Heard = { events: 0 };
      const path = join(directory, `${isValidated}.sqlite`);
      sides.push({ ...(await bootBenchNode(path, publishCapsules(isValidated, heard))), heard });
    }
    const [validated, free] = sides as [Side, Side];
    for (const side of sides) await eventsPerSecond(side, WARM_UP_EVENTS);
    const withCheck: number[] = [];
    const without: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      withCheck.push(await eventsPerSecond(validated, ROUND_EVENTS));
      without.push(await eventsPerSecond(free, ROUND_EVENTS));
    }
    const value = median(withCheck);
    const limit = median(without);
    const unit = "events/s";
    return [
      {
        metric: `events published, validated, kept and consumed once, ${IN_FLIGHT} in flight`,
        value,
        unit,
        peer: { name: "the same with a schema that lets everything pass", value: limit },
        target: atLeast(value, TARGET_SHARE * limit, unit),
      },
    ];
  } finally {
    for (const { node } of sides) await node[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true });
  }
}

/** From the first publish until the subscriber has heard the last. */
async function eventsPerSecond({ node, heard }: Side, events: number): Promise<number> {
  const start = performance.now();
  const until = heard.events + events;
  let asked = 0;
  await callInFlight(
    node,
    IN_FLIGHT,
    ["test.reporter", "report"],
    () => asked++,
    () => asked >= events,
  );
  // The last callers may have asked for a few more than was wanted.
  while (heard.events < until) await nextRound();
  const perSecond = (events * 1_000) / (performance.now() - start);
  while (heard.events < until - events + asked) await nextRound();
  return perSecond;
}
