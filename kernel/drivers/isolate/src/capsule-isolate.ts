/**
 * One V8 isolate with one capsule's bundle in it, in the sandbox host. Its memory is a cache: when it had to be interrupted
 * it is thrown away, and the next turn gets a new one.
 */
import ivm from "isolated-vm";
import type { SandboxLimits } from "@vnes/kernel";
import { watched } from "./overrun-watch.ts";
import { installPrelude, type Prelude } from "./prelude.ts";

/**
 * Loading for the first time runs the capsule's top level cold, and the other capsules of the host wait for it: it has what a turn has,
 * and where that is less, so much. A bundle that needs longer does more there than declare handlers.
 */
export const LEAST_FIRST_LOAD_MS = 250;
/** To fetch what an interrupted batch had finished; a capsule that holds that up too loses it. */
const PARTIAL_TIMEOUT_MS = 50;
const MAX_REASON = 200;
/**
 * A text that crosses by itself becomes one outside of the heap it arrives in, and stays until that is collected whole: a
 * full isolate throws its compiled code away with it. One that is copied as part of a value dies young.
 */
const COPIED = { arguments: { copy: true }, result: { copy: true } } as const;
/** Strict: a sloppy function is handed to whoever it calls, as `caller` and in the frames of a stack trace, with all it can do. */
const PRELUDE = `"use strict"; return (${installPrelude.toString()})($0);`;

export interface Bundle {
  readonly instance: string;
  readonly entry: string;
  readonly text: string;
  readonly limits: SandboxLimits;
  /** For a script of ours that runs a WebAssembly module: what it finds as `given`. Such an isolate keeps `WebAssembly`. */
  readonly given?: { readonly [name: string]: unknown };
}

/** What a slice of a batch came to. `part` is JSON of `count` results, unchecked. */
export type Slice =
  | { readonly end: "ran"; readonly count: number; readonly stopped: boolean; readonly part: string }
  /**
   * Interrupted in the turn after `count` finished ones; `lost` when what was finished could not be told. `cpuMs`: what the thread had of
   * the processor in that call.
   */
  | {
      readonly end: "deadline";
      readonly lost: boolean;
      readonly count: number;
      readonly part: string;
      readonly cpuMs: number;
    }
  | { readonly end: "memory" }
  /** Something threw outside of every turn: a promise that nobody waits for, or the language turned upside down. */
  | { readonly end: "threw"; readonly reason: string }
  | { readonly end: "garbage"; readonly reason: string };

/** Why a bundle does not load, and what that took. The message is the capsule's, which may throw anything. */
export class LoadFailure extends Error {
  readonly end: "deadline" | "memory" | "threw";
  readonly cpuMs: number;

  constructor(cause: unknown, isGone: boolean, loadMs: number, cpuMs: number) {
    const told = cause instanceof Error ? cause.message : "it threw something that is no error";
    const isLate = !isGone && told.includes("timed out");
    super(isLate ? `its top level timed out after ${loadMs} ms` : told);
    if (isGone) this.end = "memory";
    else this.end = isLate ? "deadline" : "threw";
    this.cpuMs = cpuMs;
  }
}

interface Calls {
  readonly run: ivm.Reference<Prelude["run"]>;
  readonly partial: ivm.Reference<() => string>;
  readonly reset: ivm.Reference<() => boolean>;
  readonly heldBytes: ivm.Reference<() => number>;
}

export class CapsuleIsolate {
  /** True until a turn has run in it: what fails in a fresh isolate fails by its own doing. */
  isFresh = true;
  readonly #isolate: ivm.Isolate;
  readonly #calls: Calls;
  readonly #turnMs: number;
  readonly #runsModule: boolean;
  /** What the calls took of the processor so far. isolated-vm's own count, as it is built, is of the time that passed. */
  #processorUs = 0;

  /** Throws `LoadFailure`. The bundle's top level has `loadMs`. */
  constructor({ instance, entry, text, limits, given }: Bundle, loadMs: number) {
    this.#turnMs = limits.turnMs;
    this.#runsModule = given !== undefined;
    // Without `onCatastrophicError`: isolated-vm puts the thread to sleep for good and has the handler run on the one that made the isolate,
    // which is the same here. With none it aborts, and the process ends as it should.
    this.#isolate = new ivm.Isolate({ memoryLimit: limits.memoryMb });
    try {
      const context = this.#isolate.createContextSync();
      const prelude = context.evalClosureSync(PRELUDE, [this.#runsModule], {
        result: { reference: true },
      }) as ivm.Reference<ReturnType<typeof installPrelude>>;
      const member = (name: string): ivm.Reference<never> =>
        prelude.getSync(name as never, { reference: true }) as unknown as ivm.Reference<never>;
      const bind = member("bind") as ivm.Reference<(cacheBytes: number, effectBytes: number) => string>;
      this.#calls = {
        run: member("run"),
        partial: member("partial"),
        reset: member("reset"),
        heldBytes: member("heldBytes"),
      };
      if (given !== undefined) context.global.setSync("given", new ivm.ExternalCopy(given).copyInto());
      const script = this.#isolate.compileScriptSync(text, { filename: `${instance}:${entry}` });
      const startedAt = performance.now();
      this.#within(loadMs, (timeout) => script.runSync(context, { timeout }));
      const bounds: [number, number] = [limits.cacheBytes, limits.effectBytes];
      const leftMs = Math.max(1, Math.ceil(loadMs - (performance.now() - startedAt)));
      const problem: unknown = this.#within(leftMs, (timeout) =>
        bind.applySync(undefined, bounds, { timeout }),
      );
      if (problem !== "")
        throw new Error(typeof problem === "string" ? problem : "its prelude answered nothing");
    } catch (cause) {
      const failure = new LoadFailure(cause, this.#isolate.isDisposed, loadMs, this.cpuMs);
      this.dispose();
      throw failure;
    }
  }

  run(
    text: string,
    from: number,
    limit: number,
    sliceMs: number,
    left: number,
    deadlineMs: number = this.#turnMs,
  ): Slice {
    const cpuMs = this.cpuMs;
    let answer: unknown;
    try {
      const given = [text, from, limit, sliceMs] as const;
      [answer] = this.#within(deadlineMs, (timeout) =>
        this.#calls.run.applySync(undefined, [given], { timeout, ...COPIED }),
      );
    } catch (cause) {
      return this.#interrupted(cause, left, cpuMs);
    }
    this.isFresh = false;
    const told = parseHead(answer, left);
    if (told === undefined || told.count === 0)
      return { end: "garbage", reason: "not a count and that many results" };
    return { end: "ran", count: told.count, stopped: told.flag, part: told.part };
  }

  /** False when the isolate did not survive it. */
  reset(): boolean {
    try {
      return (
        this.#within(this.#turnMs, (timeout) => this.#calls.reset.applySync(undefined, [], { timeout })) ===
        true
      );
    } catch {
      return false;
    }
  }

  get cpuMs(): number {
    return Math.round(this.#processorUs / 1_000);
  }

  get heapBytes(): number {
    if (this.#isolate.isDisposed) return 0;
    const { used_heap_size, externally_allocated_size } = this.#isolate.getHeapStatisticsSync();
    // A module's memory is in no statistics of V8. Only our own script is asked: a capsule's would say what it likes.
    const held = this.#runsModule ? this.#calls.heldBytes.applySync(undefined, []) : 0;
    return used_heap_size + externally_allocated_size + held;
  }

  dispose(): void {
    if (!this.#isolate.isDisposed) this.#isolate.dispose();
  }

  /** Every call into the isolate has a deadline. */
  #within<T>(timeout: number, call: (timeout: number) => T): T {
    const before = processorUs();
    try {
      return watched(timeout, () => call(timeout));
    } finally {
      this.#processorUs += processorUs() - before;
    }
  }

  #interrupted(cause: unknown, left: number, cpuMsBefore: number): Slice {
    if (this.#isolate.isDisposed) return { end: "memory" };
    const cpuMs = this.cpuMs - cpuMsBefore;
    const message = cause instanceof Error ? cause.message : String(cause);
    if (!message.includes("timed out")) return { end: "threw", reason: message.slice(0, MAX_REASON) };
    try {
      const partial = this.#within(PARTIAL_TIMEOUT_MS, (timeout) =>
        this.#calls.partial.applySync(undefined, [], { timeout }),
      );
      const told = parseHead(partial, left);
      // All finished and still not back: what went on afterwards belongs to no turn that can be named.
      if (told?.flag === true && told.count < left) {
        return { end: "deadline", lost: false, count: told.count, part: told.part, cpuMs };
      }
    } catch {
      // What it had finished is lost with it, and runs again.
    }
    return { end: "deadline", lost: true, count: 0, part: "[]", cpuMs };
  }
}

/** The capsule could have forged it: nothing but its own turns depends on it, within `left`. */
function parseHead(
  answer: unknown,
  left: number,
): { readonly count: number; readonly flag: boolean; readonly part: string } | undefined {
  if (typeof answer !== "string") return undefined;
  const head = /^(\d{1,9}) ([01]) /.exec(answer);
  if (head === null) return undefined;
  const count = Number(head[1]);
  if (count > left) return undefined;
  return { count, flag: head[2] === "1", part: answer.slice(head[0].length) };
}

/** Of this thread. */
function processorUs(): number {
  const { user, system } = process.threadCpuUsage();
  return user + system;
}
