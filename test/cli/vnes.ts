/** Runs the real `vnes` in a home of its own, and ends by its id what it started. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const BIN = fileURLToPath(new URL("../../cli/bin/vnes.js", import.meta.url));
const COMMAND_TIMEOUT_MS = 60_000;
const BOOT_TIMEOUT_MS = 60_000;

const running = new Set<ChildProcess>();
// The last resort, for a test that failed before it held what it had started: nothing asynchronous can happen any more.
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface Booted {
  readonly pid: number;
  readonly ready: { readonly controlSocket: string; readonly dataDir: string; readonly active: number };
  /** Resolves to the exit code, null after a signal. */
  kill(signal: NodeJS.Signals): Promise<number | null>;
}

export interface Following {
  out(): string;
  /** The exit code. */
  ended(): Promise<number | null>;
  /** Ctrl-C; the exit code. */
  interrupt(): Promise<number | null>;
}

export class Home implements AsyncDisposable {
  readonly dir: string = mkdtempSync(join(tmpdir(), "vnes-t-"));
  readonly #running = new Set<ChildProcess>();
  readonly #under: readonly string[];

  /** `under`: a command that runs what follows it, such as one that takes something of the machine away. */
  constructor(under: readonly string[] = []) {
    this.#under = under;
  }

  async run(...args: string[]): Promise<Ran> {
    const child = this.#spawn(args);
    let out = "";
    let err = "";
    child.stdout?.on("data", (text: Buffer) => {
      out += text.toString();
    });
    child.stderr?.on("data", (text: Buffer) => {
      err += text.toString();
    });
    const timer = setTimeout(() => child.kill("SIGKILL"), COMMAND_TIMEOUT_MS);
    const code = await new Promise<number | null>((done) => child.once("close", done));
    clearTimeout(timer);
    return { code, out, err };
  }

  /** A command that goes on until it is ended or comes to its end; `out` is what it said so far. */
  follow(...args: string[]): Following {
    const child = this.#spawn(args);
    let out = "";
    child.stdout?.on("data", (text: Buffer) => {
      out += text.toString();
    });
    const closed = new Promise<number | null>((done) => child.once("close", done));
    return {
      out: () => out,
      ended: () => closed,
      interrupt: async () => {
        child.kill("SIGINT");
        return await closed;
      },
    };
  }

  /** What a command answered with `-o json`. */
  async json<T>(...args: string[]): Promise<T> {
    const { code, out, err } = await this.run(...args, "-o", "json");
    if (code !== 0) throw new Error(`vnes ${args.join(" ")} ended with ${code}: ${err}`);
    return JSON.parse(out) as T;
  }

  async boot(...args: string[]): Promise<Booted> {
    const child = this.#spawn(["boot", "-o", "json", ...args]);
    let err = "";
    child.stderr?.on("data", (text: Buffer) => {
      err += text.toString();
    });
    const closed = new Promise<number | null>((done) => child.once("close", done));
    const line = await new Promise<string>((done, fail) => {
      const timer = setTimeout(() => fail(new Error(`boot is not ready: ${err}`)), BOOT_TIMEOUT_MS);
      const { stdout } = child;
      if (stdout === null) throw new Error("no standard output");
      createInterface({ input: stdout }).once("line", (text) => {
        clearTimeout(timer);
        done(text);
      });
      void closed.then((code) => {
        clearTimeout(timer);
        fail(new Error(`boot ended with ${code}: ${err}`));
      });
    });
    return {
      pid: child.pid as number,
      ready: JSON.parse(line) as Booted["ready"],
      kill: async (signal) => {
        child.kill(signal);
        return await closed;
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#running) {
      child.kill("SIGKILL");
      await new Promise<void>((done) => child.once("close", () => done()));
    }
    rmSync(this.dir, { recursive: true, force: true });
  }

  #spawn(args: readonly string[]): ChildProcess {
    const { NODE_OPTIONS: _, ...env } = process.env;
    const [command = process.execPath, ...rest] = [...this.#under, process.execPath, BIN, ...args];
    const child = spawn(command, rest, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...env, VNES_HOME: this.dir, XDG_CACHE_HOME: join(this.dir, "xdg-cache") },
    });
    for (const all of [this.#running, running]) {
      all.add(child);
      child.once("close", () => all.delete(child));
    }
    return child;
  }
}
