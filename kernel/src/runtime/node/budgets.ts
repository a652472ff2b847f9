/**
 * The budgets of a node's capsules: one each, readings of what only a sandbox knows, and what is said when one is slowed. Who
 * suspends is told by `listen`.
 */
import { budgetOf } from "../../budget/budget-of.ts";
import { kernelErrors } from "../../errors.ts";
import type { Policy, VnesError } from "@vnes/schemas";
import type { Clock } from "../../ports/clock.ts";
import type { SandboxMeters } from "../../ports/sandbox.ts";
import type { BudgetItem } from "../../budget/budget.ts";
import { CapsuleBudget } from "../shard/capsule-budget.ts";
import type { CapsuleShard } from "../shard/capsule-shard.ts";
import type { Capsule } from "./capsule-table.ts";

/** How often sandboxes are asked: a rate is a second's. */
const READING_MS = 1_000;

export interface BudgetParts {
  readonly policy: Policy;
  readonly clock: Clock;
  shardsOf(capsule: Capsule): readonly CapsuleShard[];
  report(capsule: Capsule, problem: VnesError): void;
}

/** `resumeAfterMs`: from `over.suspendedAt` on; undefined where a person has to resume it. */
export type SuspendOverBudget = (
  capsule: Capsule,
  error: VnesError,
  over: OverBudget,
  resumeAfterMs: number | undefined,
) => void;

/** Why a capsule was suspended over its budget; times are node time. */
export interface OverBudget {
  readonly by: BudgetItem;
  /** When it began to be slowed. */
  readonly since: number;
  readonly suspendedAt: number;
}

interface Entry {
  readonly capsule: Capsule;
  readonly budget: CapsuleBudget;
  /** By shard: the last reading. */
  readonly before: Map<string, Pick<SandboxMeters, "cpuMs" | "bytes">>;
  /** When the last reading was, and how many turns had ended by then. */
  readAt: number;
  turns: number;
  over: OverBudget | null;
  /** The reading that is under way. */
  reading: Promise<void> | undefined;
}

export class Budgets {
  readonly #parts: BudgetParts;
  readonly #entries = new Map<string, Entry>();
  #suspend: SuspendOverBudget | undefined;
  #cancel: (() => void) | undefined;

  constructor(parts: BudgetParts) {
    this.#parts = parts;
  }

  listen(suspend: SuspendOverBudget): void {
    this.#suspend = suspend;
  }

  /** The one of a capsule that comes up. */
  open(capsule: Capsule): CapsuleBudget {
    const { clock, policy, report, shardsOf } = this.#parts;
    const { id } = capsule;
    const rules = budgetOf(capsule.zone, policy);
    const budget = new CapsuleBudget({
      budget: rules,
      clock,
      wake: () => {
        for (const shard of shardsOf(capsule)) {
          shard.rest(false);
          shard.wake();
        }
      },
      slowed: (by) => report(capsule, kernelErrors.create("CAPSULE_SLOWED", { capsule: id, by })),
      exhausted: (by, ms) => {
        const now = clock.now();
        const over = { by, since: now - ms, suspendedAt: now };
        entry.over = over;
        const details = { capsule: id, by, ms, zone: capsule.zone };
        const error = kernelErrors.create("CAPSULE_OVER_BUDGET", details);
        this.#suspend?.(capsule, error, over, rules?.resumeAfterMs);
      },
    });
    const readings = { before: new Map(), readAt: clock.now(), turns: 0, reading: undefined };
    const entry: Entry = { capsule, budget, ...readings, over: null };
    this.#entries.set(id, entry);
    if (budget.needsReadings) this.#readLater();
    return budget;
  }

  find(id: string): CapsuleBudget | undefined {
    return this.#entries.get(id)?.budget;
  }

  /** Null: it is not suspended over its budget. */
  over(id: string): OverBudget | null {
    return this.#entries.get(id)?.over ?? null;
  }

  /** Resolves once what only sandboxes know is counted up to now. */
  async read(id: string): Promise<void> {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    entry.reading ??= this.#read(entry).finally(() => {
      entry.reading = undefined;
    });
    await entry.reading;
  }

  /** The capsule starts again with all of it. */
  renew(id: string): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    entry.over = null;
    entry.budget.renew();
  }

  close(id: string): void {
    this.#entries.delete(id);
  }

  stop(): void {
    this.#cancel?.();
  }

  #readLater(): void {
    if (this.#cancel !== undefined) return;
    const { clock } = this.#parts;
    this.#cancel = clock.wakeAt(clock.now() + READING_MS, () => {
      this.#cancel = undefined;
      const needed = [...this.#entries.values()].filter(({ budget }) => budget.needsReadings);
      // Nobody's next reading waits for somebody else's.
      for (const { capsule } of needed) if (capsule.state === "active") void this.read(capsule.id);
      if (needed.length > 0) this.#readLater();
    });
  }

  async #read(entry: Entry): Promise<void> {
    const { capsule, budget, before } = entry;
    let memoryBytes = 0;
    let cpu = 0;
    let bytes = 0;
    const shards = this.#parts.shardsOf(capsule);
    const told = await Promise.all(shards.map((shard) => shard.meters()));
    for (const [index, shard] of shards.entries()) {
      const meters = told[index];
      if (meters === undefined) continue;
      const last = before.get(shard.name);
      // A new sandbox counts from nothing.
      cpu += Math.max(0, meters.cpuMs - (last !== undefined && last.cpuMs <= meters.cpuMs ? last.cpuMs : 0));
      bytes += Math.max(
        0,
        meters.bytes - (last !== undefined && last.bytes <= meters.bytes ? last.bytes : 0),
      );
      memoryBytes += meters.memoryBytes;
      before.set(shard.name, { cpuMs: meters.cpuMs, bytes: meters.bytes });
    }
    budget.spend({ cpu, bytes });
    budget.measured(memoryBytes);
    this.#lookAt(entry, cpu);
  }

  /** What a process does on its own account, with threads that wait for no turn, shows only in what it used between two readings. */
  #lookAt(entry: Entry, cpu: number): void {
    const { capsule, budget, readAt, turns } = entry;
    const { clock, policy, shardsOf } = this.#parts;
    entry.readAt = clock.now();
    entry.turns = budget.usage.turns;
    const rate = budgetOf(capsule.zone, policy)?.rates.cpu;
    if (rate === undefined || capsule.state !== "active" || entry.turns !== turns) return;
    // A turn that takes long has its deadline.
    if (shardsOf(capsule).some(({ isRunning }) => isRunning)) return;
    if (cpu <= ((entry.readAt - readAt) * rate) / 1_000 || !budget.mustRest()) return;
    for (const shard of shardsOf(capsule)) shard.rest(true);
  }
}
