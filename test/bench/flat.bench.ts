/** What a turn and an event cost as a ledger grows from a thousand to a million: processor time for each decade, and memory. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as nextRound } from "node:timers/promises";
import type { Node } from "@vnes/kernel";
import { bootBenchNode, callInFlight } from "./bench-node.ts";
import { counter } from "./counter-capsule.ts";
import { type Heard, publishCapsules } from "./publish-capsules.ts";
import { heapBytes } from "./reachable.ts";
import { atMost, type BenchResult } from "./result.ts";

const IN_FLIGHT = 64;
const KEYS = 1_000;
/** In a node of its own, so that the first decade is not the compiler's. */
const WARM_UP = 30_000;
const DECADES = [1_000, 10_000, 100_000, 1_000_000] as const;
/** What a shared machine blurs anyway; anything that grows with the ledger would show as far more over three decades. */
const TARGET_GROWTH = 1.5;
/** Windows, caches and heads may fill up after the first ten thousand; nothing may be kept for each event. */
const TARGET_HEAP_BYTES_AN_EVENT = 32;

export const name = "flat";

/** Minutes: only when it is named. */
export const isLong = true;

export const notMeasured: readonly string[] = [
  "waiting for the disk: figures are processor time of this process, all threads, commits and checkpoints included",
  "keys that grow in number: the counter has a thousand",
];

interface Work {
  readonly what: string;
  boot(path: string): Promise<{ readonly node: Node; run(until: number): Promise<void> }>;
}

const turns: Work = {
  what: "a turn",
  async boot(path) {
    const { node } = await bootBenchNode(path, [counter]);
    let asked = 0;
    const run = async (until: number): Promise<void> => {
      const input = () => ({ key: `k${asked++ % KEYS}` });
      await callInFlight(node, IN_FLIGHT, ["test.counter", "add"], input, () => asked >= until);
    };
    return { node, run };
  },
};

const events: Work = {
  what: "an event published, kept and consumed",
  async boot(path) {
    const heard: Heard = { events: 0 };
    const { node } = await bootBenchNode(path, publishCapsules(true, heard));
    let asked = 0;
    const run = async (until: number): Promise<void> => {
      const input = () => asked++;
      await callInFlight(node, IN_FLIGHT, ["test.reporter", "report"], input, () => asked >= until);
      while (heard.events < asked) await nextRound();
    };
    return { node, run };
  },
};

export async function run(): Promise<readonly BenchResult[]> {
  const directory = mkdtempSync(join(tmpdir(), "vnes-bench-flat-"));
  try {
    return [...(await measure(directory, turns)), ...(await measure(directory, events))];
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function measure(directory: string, work: Work): Promise<BenchResult[]> {
  const warm = await work.boot(join(directory, `${work.what}-warm`));
  await warm.run(WARM_UP);
  await warm.node[Symbol.asyncDispose]();
  const { node, run: runUntil } = await work.boot(join(directory, work.what));
  const results: BenchResult[] = [];
  let before = 0;
  let first: number | undefined;
  let firstHeap: number | undefined;
  for (const decade of DECADES) {
    const start = process.cpuUsage();
    await runUntil(decade);
    const { user, system } = process.cpuUsage(start);
    const value = (user + system) / (decade - before);
    before = decade;
    const metric = `${work.what}, up to the ${decade.toLocaleString("en")}th`;
    const unit = "µs";
    if (decade === DECADES[0]) {
      results.push({ metric, value, unit });
      continue;
    }
    first ??= value;
    const peer = { name: `up to the ${DECADES[1].toLocaleString("en")}th`, value: first };
    const target = atMost(value, TARGET_GROWTH * first, unit);
    results.push(decade === DECADES[1] ? { metric, value, unit } : { metric, value, unit, peer, target });
    const heap = heapBytes();
    firstHeap ??= heap;
    if (decade !== DECADES.at(-1)) continue;
    const each = Math.max(0, heap - firstHeap) / (decade - DECADES[1]);
    results.push({
      metric: `memory kept for ${work.what}, from the ${DECADES[1].toLocaleString("en")}th on`,
      value: each,
      unit: "bytes",
      target: atMost(each, TARGET_HEAP_BYTES_AN_EVENT, "bytes"),
    });
  }
  await node[Symbol.asyncDispose]();
  return results;
}
