/** Worker processes over a range of seeds: their lines as they come, and their end. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { WorkerLine } from "./worker.ts";

const WORKER = fileURLToPath(new URL("worker.ts", import.meta.url));
const MUTATE = new URL("mutate.ts", import.meta.url).href;
const FLAGS = ["--conditions=source", "--disable-warning=ExperimentalWarning"];

export interface Range {
  readonly directory: string;
  readonly from: number;
  readonly to: number;
  /** From one seed to the next. */
  readonly every: number;
  readonly steps: number;
  readonly show: boolean;
  readonly isolates: boolean;
  readonly workers: number;
  readonly mutant: string | undefined;
}

/** A run takes tenths of a second, with isolates a few seconds; one that says nothing for so long goes round in a circle. */
const SILENT_MS = 120_000;

/** Resolves with the reason when a worker ended badly. `onLine` may return "enough" to end them all. */
export async function runWorkers(
  range: Range,
  onLine: (line: WorkerLine) => "go on" | "enough",
): Promise<string | undefined> {
  const children: ChildProcess[] = [];
  let isEnough = false;
  const ends = Array.from({ length: range.workers }, (_, index) => {
    const child = start(range, index);
    children.push(child);
    const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
    lines.on("line", (text) => {
      if (isEnough || onLine(JSON.parse(text) as WorkerLine) === "go on") return;
      isEnough = true;
      for (const one of children) one.kill("SIGKILL");
    });
    let next = range.from + index * range.every;
    let problem: string | undefined;
    const watch = (): NodeJS.Timeout =>
      setTimeout(() => {
        problem = `seed ${next} does not come to an end: npm run sim -- --seed ${next}`;
        child.kill("SIGKILL");
      }, SILENT_MS);
    let silence = watch();
    lines.on("line", () => {
      next += range.workers * range.every;
      clearTimeout(silence);
      silence = watch();
    });
    let errors = "";
    child.stderr?.on("data", (chunk: Buffer) => {
      errors = (errors + chunk.toString()).slice(-4_000);
    });
    return new Promise<string | undefined>((resolve) => {
      child.on("close", (code, signal) => {
        clearTimeout(silence);
        if (code === 0 || isEnough) resolve(undefined);
        else resolve(problem ?? `a worker ended with ${code ?? signal}: ${errors}`);
      });
    });
  });
  return (await Promise.all(ends)).find((problem) => problem !== undefined);
}

function start(
  { directory, from, to, every, steps, show, isolates, workers, mutant }: Range,
  index: number,
): ChildProcess {
  const hook = mutant === undefined ? [] : ["--import", MUTATE];
  const numbers = [from + index * every, to, workers * every, steps, show ? 1 : 0, isolates ? 1 : 0].map(
    String,
  );
  const env = { ...process.env, ...(mutant === undefined ? {} : { VNES_MUTANT: mutant }) };
  return spawn(process.execPath, [...FLAGS, ...hook, WORKER, directory, ...numbers], {
    stdio: ["ignore", "pipe", "pipe"],
    env,
  });
}
