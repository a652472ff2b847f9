/**
 * The node under test: the real `vnes boot`, with its real ledger and sandbox, in a home of its own. Owns its directories
 * and its process; ends it only by `SIGKILL`, or by a power cut, which also takes back what was not on the disk.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Control } from "./control.ts";
import { CachedDisk, snapshotFiles } from "./power-cut/disk.ts";
import { recorded, recorderEnded, tracerOf } from "./power-cut/recorder.ts";

const MAIN = fileURLToPath(new URL("../../cli/src/main.ts", import.meta.url));
const MUTATE = new URL("mutate.ts", import.meta.url).href;
const CAPSULES = fileURLToPath(new URL("capsules/", import.meta.url));
const CAPSULE_NAMES = ["intake", "tally"];
const NODE_FLAGS = ["--conditions=source", "--no-warnings"];
export const CRASH_NODE = "crash";
/** Only what the run needs; what it needs in turn comes along. */
const CONFIG = {
  schema_version: "v1",
  node: CRASH_NODE,
  capsules: { run: ["vnes.core.observability", "crash.tally", "crash.intake"] },
};
/** Recovery of everything a long run has written, on a loaded machine, recorded by strace. */
const BOOT_TIMEOUT_MS = 60_000;
const COMMAND_TIMEOUT_MS = 60_000;

export class CrashNode {
  readonly #root: string;
  readonly #home: string;
  readonly #data: string;
  readonly #mutant: string | undefined;
  readonly #flags: readonly string[];
  #child: ChildProcess | undefined;
  #tracer = 0;
  #boots = 0;

  /** `flags`: more arguments of `vnes boot`. */
  constructor(root: string, mutant: string | undefined, flags: readonly string[] = []) {
    this.#flags = flags;
    this.#root = root;
    this.#home = join(root, "home");
    this.#data = join(root, "data");
    this.#mutant = mutant;
  }

  /** Builds, signs and installs the two capsules, as a user does. */
  prepare(): void {
    mkdirSync(join(this.#home, "config"), { recursive: true });
    writeFileSync(join(this.#home, "config", "config.json"), JSON.stringify(CONFIG));
    for (const name of CAPSULE_NAMES) {
      const directory = join(this.#root, "capsules", name);
      cpSync(join(CAPSULES, name), directory, { recursive: true });
      this.#vnes("capsule", "build", directory);
      this.#vnes("capsule", "install", directory);
    }
  }

  /** Starts the process; does not wait for it to be ready. */
  start(way: "kill" | "powerCut"): void {
    this.#boots++;
    mkdirSync(this.#data, { recursive: true, mode: 0o700 });
    rmSync(join(this.#data, "control.sock"), { force: true });
    const boot = [
      "boot",
      "--home",
      this.#home,
      "--node",
      CRASH_NODE,
      "--data-dir",
      this.#data,
      "--unconfined-dev",
      ...this.#flags,
    ];
    const flags = this.#mutant === undefined ? [] : ["--import", MUTATE];
    let command: readonly string[] = [process.execPath, ...NODE_FLAGS, ...flags, MAIN, ...boot];
    if (way === "powerCut") {
      rmSync(this.#before, { recursive: true, force: true });
      snapshotFiles(this.#data, this.#before);
      command = recorded(command, this.#trace);
    }
    const log = join(this.#root, "node.log");
    const [program = "", ...args] = command;
    const env = { ...process.env, ...(this.#mutant === undefined ? {} : { VNES_MUTANT: this.#mutant }) };
    this.#child = spawn("/bin/sh", ["-c", 'exec "$0" "$@" >>"$VNES_CRASH_LOG" 2>&1', program, ...args], {
      stdio: ["ignore", "ignore", "inherit"],
      env: { ...env, VNES_CRASH_LOG: log },
    });
    this.#tracer = way === "powerCut" ? -1 : 0;
  }

  /** A connection once the node takes calls. Throws with the end of its log when it does not come up. */
  async ready(): Promise<Control> {
    const deadline = performance.now() + BOOT_TIMEOUT_MS;
    const socket = join(this.#data, "control.sock");
    while (performance.now() < deadline) {
      if (this.#child?.exitCode !== null || this.#child.signalCode !== null)
        throw new Error(`the node ended while booting:\n${this.logTail()}`);
      const control = existsSync(socket) ? await Control.connect(socket) : undefined;
      if (control !== undefined) {
        const status = await control.status();
        if (status.ok) return control;
        control.close();
      }
      await sleep(10);
    }
    throw new Error(`the node did not come up within ${BOOT_TIMEOUT_MS} ms:\n${this.logTail()}`);
  }

  /** Ends it the way it was started for; returns how many changes a power cut took back. */
  async end(lucky: () => boolean): Promise<number> {
    const child = this.#child;
    if (child?.pid === undefined) return 0;
    const powerCut = this.#tracer === -1;
    const tracer = powerCut && child.exitCode === null ? tracerOf(child.pid) : 0;
    if (child.exitCode === null && child.signalCode === null) {
      child.kill("SIGKILL");
      await once(child, "exit");
    }
    this.#child = undefined;
    if (!powerCut) return 0;
    if (tracer > 0) await recorderEnded(tracer);
    const disk = new CachedDisk(this.#data, this.#before);
    // Killed before the recorder had begun: nothing ran that could have changed anything.
    if (existsSync(this.#trace)) await disk.replay(this.#trace);
    const cut = join(this.#root, "cut");
    rmSync(cut, { recursive: true, force: true });
    const lost = disk.writeTo(cut, lucky);
    rmSync(this.#data, { recursive: true });
    renameSync(cut, this.#data);
    return lost;
  }

  /** Its own directory, for who looks at it when no node runs. */
  get dataDir(): string {
    return this.#data;
  }

  /** The directories of the capsules it was prepared with. */
  get capsules(): readonly string[] {
    return CAPSULE_NAMES.map((name) => join(this.#root, "capsules", name));
  }

  logTail(): string {
    const log = join(this.#root, "node.log");
    return existsSync(log) ? readFileSync(log, "utf8").split("\n").slice(-30).join("\n") : "";
  }

  get #before(): string {
    return join(this.#root, "before");
  }

  get #trace(): string {
    return join(this.#root, `trace-${this.#boots}`);
  }

  #vnes(...args: string[]): void {
    const run = spawnSync(process.execPath, [...NODE_FLAGS, MAIN, ...args, "--home", this.#home], {
      encoding: "utf8",
      timeout: COMMAND_TIMEOUT_MS,
    });
    if (run.status !== 0) throw new Error(`vnes ${args.join(" ")} failed:\n${run.stdout}${run.stderr}`);
  }
}
