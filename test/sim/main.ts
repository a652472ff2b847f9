/**
 * `npm run sim -- [--seeds N] [--seed S] [--steps N] [--mutant NAME|all] [--isolates [N]] [--vpn [N]]`: whole nodes on memory drivers, with
 * faults and crashes by seed, and every history checked. A failure prints the command that repeats it.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildImages } from "./images.ts";
import { MUTANTS } from "./mutants.ts";
import { commandOf, type Options, readOptions, USAGE, VPN_EVERY } from "./options.ts";
import type { WorkerLine } from "./worker.ts";
import { runWorkers } from "./workers.ts";

/** Failures shown in full; the rest are counted. */
const SHOWN = 5;
/** What is shown of how a failed run ended. */
const TAIL = 40;
const SAY_EVERY_MS = 10_000;

const options = read();
const directory = mkdtempSync(join(tmpdir(), "vnes-sim-"));
try {
  await buildImages(directory);
  const known = MUTANTS.map(({ name }) => name);
  if (options.mutant !== "none" && options.mutant !== "all" && !known.includes(options.mutant))
    usage(`no mutant is called ${options.mutant}; there are ${known.join(", ")}`);
  const failed = options.mutant === "none" ? await control(options) : await mutants(options);
  console.log(failed === undefined ? "sim: PASS" : `sim: FAIL: ${failed}`);
  process.exitCode = failed === undefined ? 0 : 1;
} finally {
  rmSync(directory, { recursive: true, force: true });
}

/** Every seed of the range; undefined when nothing was found. */
async function control({
  from,
  seeds,
  steps,
  workers,
  show,
  isolates,
  vpn,
  mutant,
}: Options): Promise<string | undefined> {
  const sum = { runs: 0, operations: 0, lives: 0, undecided: 0, isolated: 0, again: 0 };
  const failures: WorkerLine[] = [];
  const begun = performance.now();
  let saidAt = begun;
  const every = vpn ? VPN_EVERY : 1;
  const range = { directory, from, seeds, every, steps, show, isolates, workers };
  const broken = await runWorkers({ ...range, mutant: undefined }, (line) => {
    sum.runs++;
    sum.operations += line.operations;
    sum.lives += line.lives;
    sum.undecided += line.undecided;
    sum.again += line.again;
    if (line.isIsolated) sum.isolated++;
    if (show) console.log([...line.trace, `history ${line.hash}`].join("\n"));
    if (line.problems.length > 0) {
      failures.push(line);
      if (failures.length <= SHOWN) tell(line, { steps, mutant, show });
    }
    if (performance.now() - saidAt > SAY_EVERY_MS) {
      saidAt = performance.now();
      console.log(`  ${sum.runs} of ${seeds} runs, ${failures.length} failed`);
    }
    return "go on";
  });
  const seconds = (performance.now() - begun) / 1_000;
  const rate = `${seconds.toFixed(0)} s, ${(sum.runs / seconds).toFixed(1)} runs/s in ${Math.min(workers, seeds)} processes`;
  console.log(
    `${sum.runs} runs of seeds ${from} to ${from + (seeds - 1) * every}${vpn ? ", the VPN alone" : ""}: ${sum.operations} operations, ${sum.lives} lives of nodes, ${sum.undecided} keys undecided; ${rate}`,
  );
  if (isolates > 0) console.log(`${sum.again} turns of ${sum.isolated} runs again in real isolates`);
  if (broken !== undefined) return broken;
  if (sum.runs !== seeds) return `${seeds - sum.runs} runs are missing`;
  const [first] = failures.toSorted((a, b) => a.seed - b.seed);
  if (first === undefined) return undefined;
  return `${failures.length} of ${seeds} runs, first ${commandOf(first.seed, { ...first, steps, mutant })}`;
}

/** Each mutant until a run notices it. */
async function mutants(options: Options): Promise<string | undefined> {
  const missed: string[] = [];
  for (const { name, breaks } of MUTANTS) {
    if (options.mutant !== "all" && options.mutant !== name) continue;
    const { from, seeds, steps, workers, show, vpn } = options;
    const every = vpn ? VPN_EVERY : 1;
    const range = { directory, from, seeds, every, steps, show, isolates: 0, workers };
    let found: WorkerLine | undefined;
    let runs = 0;
    const broken = await runWorkers({ ...range, mutant: name }, (line) => {
      runs++;
      if (line.problems.length === 0) return "go on";
      found = line;
      return "enough";
    });
    if (broken !== undefined) return `${name}: ${broken}`;
    console.log(`${name}: ${breaks}`);
    if (found === undefined) missed.push(name);
    console.log(
      found === undefined
        ? `  NOT noticed in ${runs} runs`
        : `  noticed after ${runs} runs, seed ${found.seed}: ${found.problems[0]}`,
    );
    if (found !== undefined && show) console.log(found.trace.join("\n"));
  }
  return missed.length === 0 ? undefined : `not noticed: ${missed.join(", ")}`;
}

function tell(
  { seed, isIsolated, problems, trace }: WorkerLine,
  options: Pick<Options, "steps" | "mutant" | "show">,
): void {
  console.log(`seed ${seed}:`);
  for (const problem of problems) console.log(`  ${problem}`);
  if (!options.show) for (const line of trace.slice(-TAIL)) console.log(`    ${line}`);
  console.log(`  again: ${commandOf(seed, { ...options, isIsolated })}`);
}

function read(): Options {
  try {
    return readOptions(process.argv.slice(2));
  } catch (error) {
    return usage(error instanceof Error ? error.message : String(error));
  }
}

function usage(problem: string): never {
  console.error(`${problem}\n${USAGE}`);
  process.exit(2);
}
