/** The processes of the demonstration. Whatever way it ends, every one of them is ended by its id. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** What a process says before it is ready; a process that needs longer is broken. */
const READY_TIMEOUT_MS = 30_000;
/** A process that was asked to end and did not is ended. */
const END_TIMEOUT_MS = 5000;
/** Of what it said on standard error, kept for when it fails. */
const KEPT_LINES = 20;

export interface Child {
  readonly name: string;
  readonly pid: number;
  /** The first line on its standard output. */
  readonly ready: string;
  /** A line on its standard input. */
  say(line: string): void;
  /** SIGTERM, then SIGKILL. */
  end(): Promise<void>;
}

const running = new Map<number, ChildProcess>();

// The last resort: nothing asynchronous can happen any more.
process.on("exit", () => {
  for (const child of running.values()) child.kill("SIGKILL");
});

export interface ChildSpec {
  readonly name: string;
  readonly file: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** Called when it ends without having been asked to. */
  onDeath(name: string, tail: string): void;
}

/** Resolves when the process has printed its first line. Its standard input is a pipe that closes with this process. */
export async function start(spec: ChildSpec): Promise<Child> {
  const { name } = spec;
  const process_ = spawn(process.execPath, [spec.file, ...spec.args], {
    stdio: ["pipe", "pipe", "pipe"],
    env: spec.env ?? process.env,
  });
  const { pid } = process_;
  if (pid === undefined) throw new Error(`${name} could not be started`);
  running.set(pid, process_);
  const tail: string[] = [];
  createInterface({ input: process_.stderr }).on("line", (line) => {
    tail.push(line);
    if (tail.length > KEPT_LINES) tail.shift();
  });
  let asked = false;
  const ended = new Promise<void>((done) => {
    process_.once("exit", () => {
      running.delete(pid);
      done();
      if (!asked) spec.onDeath(name, tail.join("\n"));
    });
  });
  const ready = await new Promise<string>((done, fail) => {
    const timer = setTimeout(
      () => fail(new Error(`${name} is not ready\n${tail.join("\n")}`)),
      READY_TIMEOUT_MS,
    );
    const lines = createInterface({ input: process_.stdout });
    lines.once("line", (line) => {
      clearTimeout(timer);
      done(line);
    });
    process_.once("exit", () => fail(new Error(`${name} ended before it was ready\n${tail.join("\n")}`)));
  });
  return {
    name,
    pid,
    ready,
    say: (line) => void process_.stdin.write(`${line}\n`),
    async end(): Promise<void> {
      asked = true;
      if (!running.has(pid)) return;
      process_.kill("SIGTERM");
      const timer = setTimeout(() => process_.kill("SIGKILL"), END_TIMEOUT_MS);
      await ended;
      clearTimeout(timer);
    },
  };
}
