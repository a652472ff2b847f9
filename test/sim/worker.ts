/**
 * Runs the seeds it is given, one line of JSON after the other, in a process of its own, and prints a line for each. Started
 * by `workers.ts`, with a mutant or without; it ends when nothing more is given.
 */
import { createInterface } from "node:readline";
import type { Sandbox } from "@vnes/kernel";
import { Again, againInRealm } from "./again.ts";
import { openImages } from "./images.ts";
import { openIsolates } from "./isolates.ts";
import { type Run, Simulator } from "./run.ts";

export interface WorkerLine extends Omit<Run, "trace" | "ledgers"> {
  /** Of a run that failed or was asked for: how it ended. */
  readonly trace: readonly string[];
  readonly isIsolated: boolean;
  /** Turns that ran again in real isolates. */
  readonly again: number;
}

/** A seed to run; `isIsolated`: and each of its turns again in real isolates. */
export interface Task {
  readonly seed: number;
  readonly isIsolated: boolean;
}

/** Of this many runs one is made twice: the same seed must give the same history. */
const TWICE_EVERY = 10;

const [directory = "", ...numbers] = process.argv.slice(2);
const [steps = 1, show = 0] = numbers.map(Number);

let strays: string[] = [];
process.on("unhandledRejection", (error) => {
  strays.push(
    `nobody waited for: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
  );
});

const built = await openImages(directory);
const simulator = new Simulator(built);
const inRealm = againInRealm(built);
let isolates: Sandbox | undefined;
let inIsolates: Again | undefined;
for await (const text of createInterface({ input: process.stdin })) {
  const { seed, isIsolated } = JSON.parse(text) as Task;
  if (isIsolated && inIsolates === undefined) {
    isolates = await openIsolates(built);
    inIsolates = new Again(built, isolates, "in an isolate");
  }
  strays = [];
  const { trace, problems, ledgers, ...run } = await simulator.run(seed, steps, show === 1);
  const found = [...problems, ...strays];
  if (seed % TWICE_EVERY === 0 && (await simulator.run(seed, steps, show === 1)).hash !== run.hash)
    found.push("the same seed gave another history");
  let again = 0;
  for (const ledger of ledgers) {
    try {
      found.push(...(await inRealm.run(ledger)).problems);
      if (!isIsolated || inIsolates === undefined) continue;
      const { turns, problems: others } = await inIsolates.run(ledger);
      again += turns;
      found.push(...others);
    } catch (error) {
      found.push(`cannot be run again: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  const line: WorkerLine = {
    ...run,
    isIsolated,
    again,
    problems: found,
    trace: show === 1 || found.length > 0 ? trace : [],
  };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
await isolates?.[Symbol.asyncDispose]();
process.exit(0);
