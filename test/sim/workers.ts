/** Worker processes over a range of seeds: who gets which, their lines as they come, and their end. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { commandOf } from "./options.ts";
import type { Task, WorkerLine } from "./worker.ts";

const WORKER = fileURLToPath(new URL("worker.ts", import.meta.url));
const MUTATE = new URL("mutate.ts", import.meta.url).href;
const FLAGS = ["--conditions=source", "--disable-warning=ExperimentalWarning"];

export interface Range {
  readonly directory: string;
  readonly from: number;
  readonly seeds: number;
  /** From one seed to the next. */
  readonly every: number;
  readonly steps: number;
  readonly show: boolean;
  /** Of the seeds, this many again in real isolates, spread evenly. */
  readonly isolates: number;
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
  const tasks = tasksOf(range);
  let isEnough = false;
  const hear = (line: WorkerLine): void => {
    if (isEnough || onLine(line) === "go on") return;
    isEnough = true;
    for (const one of children) one.kill("SIGKILL");
  };
  const ends = Array.from({ length: Math.min(range.workers, range.seeds) }, async () => {
    const child = start(range);
    children.push(child);
    const problem = await feed(child, tasks, range, hear);
    return isEnough ? undefined : problem;
  });
  return (await Promise.all(ends)).find((problem) => problem !== undefined);
}

/** Gives a worker the next seed when it is done with one: who has a long run has fewer of them. Resolves with why it ended badly. */
function feed(
  child: ChildProcess,
  tasks: Iterator<Task>,
  { steps, mutant = "none" }: Range,
  hear: (line: WorkerLine) => void,
): Promise<string | undefined> {
  let problem: string | undefined;
  let silence: NodeJS.Timeout | undefined;
  const giveNext = (): void => {
    clearTimeout(silence);
    const { value: task, done } = tasks.next();
    if (done === true) return void child.stdin?.end();
    child.stdin?.write(`${JSON.stringify(task)}\n`);
    silence = setTimeout(() => {
      const { seed, isIsolated } = task;
      problem = `seed ${seed} does not come to an end: ${commandOf(seed, { steps, mutant, isIsolated })}`;
      child.kill("SIGKILL");
    }, SILENT_MS);
  };
  createInterface({ input: child.stdout as NodeJS.ReadableStream }).on("line", (text) => {
    hear(JSON.parse(text) as WorkerLine);
    giveNext();
  });
  let errors = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-4_000);
  });
  // Who is gone is told by its end, not by the pipe to it.
  child.stdin?.on("error", () => undefined);
  giveNext();
  return new Promise((resolve) => {
    child.on("close", (code, signal) => {
      clearTimeout(silence);
      resolve(code === 0 ? undefined : (problem ?? `a worker ended with ${code ?? signal}: ${errors}`));
    });
  });
}

export function* tasksOf({ from, seeds, every, isolates }: Range): Generator<Task, undefined> {
  for (let index = 0; index < seeds; index++) {
    const isIsolated = Math.floor(((index + 1) * isolates) / seeds) > Math.floor((index * isolates) / seeds);
    yield { seed: from + index * every, isIsolated };
  }
  return undefined;
}

function start({ directory, steps, show, mutant }: Range): ChildProcess {
  const hook = mutant === undefined ? [] : ["--import", MUTATE];
  const numbers = [steps, show ? 1 : 0].map(String);
  const env = { ...process.env, ...(mutant === undefined ? {} : { VNES_MUTANT: mutant }) };
  return spawn(process.execPath, [...FLAGS, ...hook, WORKER, directory, ...numbers], {
    stdio: ["pipe", "pipe", "pipe"],
    env,
  });
}
