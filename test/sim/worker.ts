/**
 * Runs every `stride`th seed of a range in a process of its own and prints a line of JSON for each. Started by
 * `main.ts`, with a mutant or without.
 */
import { openImages } from "./images.ts";
import { type Run, Simulator } from "./run.ts";

export interface WorkerLine extends Omit<Run, "trace" | "ledgers"> {
  /** Of a run that failed or was asked for: how it ended. */
  readonly trace: readonly string[];
}

/** Of this many runs one is made twice: the same seed must give the same history. */
const TWICE_EVERY = 10;

const [directory = "", ...numbers] = process.argv.slice(2);
const [from = 1, to = 1, stride = 1, steps = 1, show = 0] = numbers.map(Number);

let strays: string[] = [];
process.on("unhandledRejection", (error) => {
  strays.push(
    `nobody waited for: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
  );
});

const simulator = new Simulator(await openImages(directory));
for (let seed = from; seed <= to; seed += stride) {
  strays = [];
  const { trace, problems, ledgers: _, ...run } = await runOnce(seed);
  const found = [...problems, ...strays];
  if (seed % TWICE_EVERY === 0 && (await runOnce(seed)).hash !== run.hash)
    found.push("the same seed gave another history");
  const line: WorkerLine = { ...run, problems: found, trace: show === 1 || found.length > 0 ? trace : [] };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
process.exit(0);

async function runOnce(seed: number): Promise<Run> {
  try {
    return await simulator.run(seed, steps, show === 1);
  } catch (error) {
    const problem = `the run threw: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
    return {
      seed,
      problems: [problem],
      undecided: 0,
      ledgers: [],
      operations: 0,
      lives: 0,
      hash: "",
      trace: [],
    };
  }
}
