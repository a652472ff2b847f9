/**
 * A sandbox that runs bundles in this process, straight from a table. It confines nothing and stops no loop: it is for
 * simulation and for measuring everything around a sandbox. Everything that crosses is copied as JSON would, so a handler
 * cannot share memory with the kernel here and fail in a real host.
 */
import {
  type RepeatedBatch,
  type Sandbox,
  type SandboxInstance,
  type SandboxMeters,
  type SandboxSpec,
  unlessExpected,
} from "@vnes/kernel";
import { type TurnRequest, type TurnResult, turnErrors, VnesError } from "@vnes/schemas";
import { jsonLengthOver } from "./crossing.ts";
import { memoryErrors } from "./errors.ts";
import type { SandboxFaults } from "./faults.ts";
import { copyRequests, copyResults } from "./turn-crossing.ts";

/** What `capsule({...})` of the sdk returns. */
export interface Bundle {
  deliver(request: TurnRequest): TurnResult;
  /** What a turn behind one that needs keys would ask for. */
  foresee?(request: TurnRequest): TurnResult;
  reset(): void;
}

/** Makes one bundle for each instance, by capsule id: bundles keep caches, and instances share nothing. */
export type BundleTable = { readonly [capsuleId: string]: (spec: SandboxSpec) => Bundle };

const decoder = new TextDecoder();

/** Stands for the process of every host. */
const NO_PID = 0;

export class MemorySandbox implements Sandbox {
  readonly #bundles: BundleTable;
  readonly #faults: SandboxFaults;
  readonly #instances = new Set<MemoryInstance>();
  #deliveries = 0;
  #opened = 0;
  #batches = 0;

  constructor(bundles: BundleTable, faults: SandboxFaults = {}) {
    this.#bundles = bundles;
    this.#faults = faults;
  }

  async open(spec: SandboxSpec): Promise<SandboxInstance> {
    const make = this.#bundles[spec.instance.slice(0, spec.instance.lastIndexOf("/"))];
    if (make === undefined) throw memoryErrors.create("MEMORY_BUNDLE_MISSING", { instance: spec.instance });
    if (this.#faults.openFailsAt?.has(++this.#opened) === true) throw hostDied(spec.instance);
    const instance = new MemoryInstance(spec, make(spec), this);
    this.#instances.add(instance);
    return instance;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const instance of this.#instances) await instance.dispose();
  }

  /** Counts a delivery and says what happens to it; a host that dies takes its whole group along. */
  fateOf(group: string, request: TurnRequest): "runs" | "hostDies" | "deadline" {
    const delivery = ++this.#deliveries;
    if (this.#faults.deadlineAt?.has(delivery) === true) return "deadline";
    const { hostDiesAt, hostDiesOn } = this.#faults;
    if (hostDiesAt?.has(delivery) !== true && hostDiesOn?.(request) !== true) return "runs";
    this.dies(group);
    return "hostDies";
  }

  /** The host of a group, whatever is in it. */
  dies(group: string): void {
    for (const instance of this.#instances) if (instance.group === group) instance.die();
  }

  /** Resolves when the next batch may run; undefined when it may at once. */
  turnOf(): Promise<void> | undefined {
    const { later } = this.#faults;
    const batch = ++this.#batches;
    return later === undefined ? undefined : new Promise((resume) => later(batch, resume));
  }

  forget(instance: MemoryInstance): void {
    this.#instances.delete(instance);
  }
}

/** Numbers of the port's rules (`Sandbox`) are cited where they are kept. */
class MemoryInstance implements SandboxInstance {
  readonly group: string;
  readonly #spec: SandboxSpec;
  readonly #bundle: Bundle;
  readonly #sandbox: MemorySandbox;
  #tail: Promise<unknown> = Promise.resolve();
  #stops = 0;
  #dead = false;
  #turns = 0;
  #failedTurns = 0;

  constructor(spec: SandboxSpec, bundle: Bundle, sandbox: MemorySandbox) {
    this.group = spec.group;
    this.#spec = spec;
    this.#bundle = bundle;
    this.#sandbox = sandbox;
  }

  deliver(batch: readonly TurnRequest[]): Promise<readonly TurnResult[]> {
    if (this.#dead) return Promise.reject(hostDied(this.#spec.instance, { wasIdle: true }));
    const stops = this.#stops;
    // Copied now: what the kernel does to its objects later is nobody else's business.
    const requests = copyRequests(batch);
    return this.#next(() => {
      const wait = this.#sandbox.turnOf();
      return wait === undefined ? this.#run(requests, stops) : wait.then(() => this.#run(requests, stops));
    });
  }

  async repeat({ requests, expected }: RepeatedBatch): Promise<readonly TurnResult[] | undefined> {
    const batch = JSON.parse(decoder.decode(requests)) as readonly TurnRequest[];
    return unlessExpected(await this.deliver(batch), expected);
  }

  reset(): Promise<void> {
    return this.#next(() => {
      if (this.#dead) throw hostDied(this.#spec.instance);
      this.#bundle.reset();
    });
  }

  async meters(): Promise<SandboxMeters> {
    const host = { group: this.group, pid: NO_PID, memoryBytes: 0 };
    return { turns: this.#turns, failedTurns: this.#failedTurns, cpuMs: 0, bytes: 0, memoryBytes: 0, host };
  }

  async dispose(): Promise<void> {
    await this.#tail;
    this.#dead = true;
    this.#sandbox.forget(this);
  }

  die(): void {
    this.#dead = true;
    this.#sandbox.forget(this);
  }

  /** Rule 1: one after the other, in the order asked for. */
  #next<T>(work: () => T | Promise<T>): Promise<T> {
    const done = this.#tail.then(work);
    this.#tail = done.catch(() => undefined);
    return done;
  }

  /** `stops`: how often turns had ended in `needKeys` when the batch was sent; more by now means rule 2 holds for it. */
  #run(requests: readonly TurnRequest[], stops: number): readonly TurnResult[] {
    if (this.#dead) throw hostDied(this.#spec.instance);
    const isLate = this.#stops !== stops;
    const results = requests.map((request): TurnResult => {
      const notRun = { turn: request.turn, kind: "needKeys", keys: [], ranges: [] } as const;
      if (isLate) return notRun;
      if (this.#stops !== stops) return this.#bundle.foresee?.(request) ?? notRun;
      const fate = this.#sandbox.fateOf(this.group, request);
      if (fate === "hostDies") throw hostDied(this.#spec.instance);
      const result = fate === "deadline" ? this.#late(request) : this.#bounded(this.#bundle.deliver(request));
      if (result.kind === "needKeys") this.#stops++;
      else this.#turns++;
      if (result.kind === "failed") this.#failedTurns++;
      return result;
    });
    return copyResults(results);
  }

  #bounded(result: TurnResult): TurnResult {
    if (result.kind !== "done") return result;
    const limit = this.#spec.limits.effectBytes;
    const size = jsonLengthOver(result.effects, limit);
    if (size === undefined) return result;
    // Its writes are in the bundle's cache and will not be kept.
    this.#bundle.reset();
    const { code, message } = turnErrors.create("TURN_EFFECTS_TOO_LARGE", { size, limit });
    return { turn: result.turn, kind: "failed", code, message };
  }

  /** As an isolate whose turn was interrupted: what it knew is gone with it. */
  #late({ turn }: TurnRequest): TurnResult {
    this.#bundle.reset();
    const { code, message } = turnErrors.create("TURN_DEADLINE", { limitMs: this.#spec.limits.turnMs });
    return { turn, kind: "failed", code, message };
  }
}

/** The port names the code; its entry for people stands with the driver that has real hosts. */
function hostDied(instance: string, details: { readonly wasIdle?: true } = {}): VnesError {
  const entry = memoryErrors.entries.MEMORY_HOST_DIED;
  return new VnesError("SANDBOX_HOST_DIED", entry, { instance, ...details });
}
