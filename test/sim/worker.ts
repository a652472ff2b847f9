/**
 * Runs every `stride`th seed of a range in a process of its own and prints a line of JSON for each. Started by
 * `main.ts`, with a mutant or without.
 */
import { openImages } from "./images.ts";
import { Isolates } from "./isolates.ts";
import { type Run, Simulator } from "./run.ts";

export interface WorkerLine extends Omit<Run, "trace" | "ledgers"> {
  /** Of a run that failed or was asked for: how it ended. */
  readonly trace: readonly string[];
  /** Turns that ran again in real isolates. */
  readonly again: number;
}

/** Of this many runs one is made twice: the same seed must give the same history. */
const TWICE_EVERY = 10;

const [directory = "", ...numbers] = process.argv.slice(2);
const [from = 1, to = 1, stride = 1, steps = 1, show = 0, inIsolates = 0] = numbers.map(Number);

let strays: string[] = [];
process.on("unhandledRejection", (error) => {
  strays.push(
    `nobody waited for: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
  );
});

const built = await openImages(directory);
const simulator = new Simulator(built);
const isolates = inIsolates === 1 ? new Isolates(built) : undefined;
for (let seed = from; seed <= to; seed += stride) {
  strays = [];
  const { trace, problems, ledgers, ...run } = await simulator.run(seed, steps, show === 1);
  const found = [...problems, ...strays];
  if (seed % TWICE_EVERY === 0 && (await simulator.run(seed, steps, show === 1)).hash !== run.hash)
    found.push("the same seed gave another history");
  let again = 0;
  for (const ledger of isolates === undefined ? [] : ledgers) {
    try {
      const made = await isolates?.runAgain(ledger);
      again += made?.turns ?? 0;
      found.push(...(made?.problems ?? []));
    } catch (error) {
      found.push(`cannot be run again: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  const line: WorkerLine = {
    ...run,
    again,
    problems: found,
    trace: show === 1 || found.length > 0 ? trace : [],
  };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
await isolates?.[Symbol.asyncDispose]();
process.exit(0);
