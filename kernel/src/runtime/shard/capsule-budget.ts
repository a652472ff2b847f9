/** What one capsule has used and may still use. Its shards share it: each asks before it takes turns and tells what they cost. */
import {
  allow,
  type Allowance,
  type Budget,
  type BudgetItem,
  type BudgetState,
  freshBudget,
  measured,
  METERED,
  type Metered,
  paidAt,
  spend,
} from "../../budget/budget.ts";
import type { Clock } from "../../ports/clock.ts";
import { WakeUp } from "./wake-up.ts";

export interface CapsuleBudgetParts {
  /** Undefined: only counted. */
  readonly budget: Budget | undefined;
  readonly clock: Clock;
  /** There is room again. */
  wake(): void;
  /** Told once each time it begins. */
  slowed(by: BudgetItem): void;
  /** Told once; nothing runs until `renew`. */
  exhausted(by: BudgetItem, slowedMs: number): void;
}

export type Usage = { readonly [item in Metered | "memoryBytes"]: number };

export class CapsuleBudget {
  readonly #parts: CapsuleBudgetParts;
  readonly #wakeUp: WakeUp;
  #state: BudgetState | undefined;
  #isExhausted = false;
  readonly #used: { [item in Metered | "memoryBytes"]: number } = {
    turns: 0,
    messages: 0,
    bytes: 0,
    cpu: 0,
    memoryBytes: 0,
  };

  constructor(parts: CapsuleBudgetParts) {
    this.#parts = parts;
    this.#wakeUp = new WakeUp(parts.clock, parts.wake);
    this.renew();
  }

  /** Since the capsule came up. */
  get usage(): Usage {
    return this.#used;
  }

  /** As of now: one that has not asked since it was slowed may have its budget back. */
  get slowed(): BudgetState["slowed"] {
    const { budget, clock } = this.#parts;
    if (budget === undefined || this.#state?.slowed === undefined) return undefined;
    return allow(this.#state, budget, clock.now()).state.slowed;
  }

  /** True when something of it can only be known by asking the sandbox. */
  get needsReadings(): boolean {
    const { budget } = this.#parts;
    if (budget === undefined) return false;
    return (
      budget.memoryBytes !== undefined || budget.rates.cpu !== undefined || budget.rates.bytes !== undefined
    );
  }

  /** Turns that may run now, at most `limit`. None: the shards are woken when there are. */
  room(limit: number): number {
    const { budget, clock } = this.#parts;
    if (budget === undefined || this.#state === undefined) return limit;
    if (this.#isExhausted) return 0;
    const allowance = this.#asked(this.#state, budget, clock.now());
    return allowance.kind === "free" ? Math.min(limit, allowance.turns) : 0;
  }

  /** Somebody wants to go on: what comes of it is told, and who has to wait is woken. */
  #asked(from: BudgetState, budget: Budget, now: number): Allowance {
    const { state, allowance } = allow(from, budget, now);
    this.#state = state;
    if (from.slowed === undefined && state.slowed !== undefined) this.#parts.slowed(state.slowed.by);
    if (allowance.kind === "slowed") this.#wakeUp.at(allowance.until);
    if (allowance.kind === "exhausted") {
      this.#isExhausted = true;
      this.#parts.exhausted(allowance.by, now - allowance.since);
    }
    return allowance;
  }

  /**
   * It took processor time without being given a turn, and that is asking for more as much as a turn that waits is. True: it has to do
   * without until that debt is paid, whatever else it owes for longer, and is woken then.
   */
  mustRest(): boolean {
    const { budget, clock } = this.#parts;
    if (budget === undefined || this.#state === undefined || this.#isExhausted) return false;
    const until = paidAt(this.#state, budget, "cpu", clock.now());
    if (until === undefined) return false;
    if (this.#asked(this.#state, budget, clock.now()).kind !== "slowed") return false;
    this.#wakeUp.at(until);
    return true;
  }

  spend(spent: { readonly [item in Metered]?: number }): void {
    for (const item of METERED) this.#used[item] += spent[item] ?? 0;
    if (this.#state !== undefined) this.#state = spend(this.#state, spent);
  }

  /** A reading of what all shards hold. */
  measured(memoryBytes: number): void {
    this.#used.memoryBytes = memoryBytes;
    if (this.#state !== undefined) this.#state = measured(this.#state, memoryBytes);
  }

  /** A full budget, as after a resumption. */
  renew(): void {
    const { budget, clock } = this.#parts;
    this.#state = budget === undefined ? undefined : freshBudget(budget, clock.now());
    this.#isExhausted = false;
  }
}

/** For a shard that nobody meters. */
export function uncounted(clock: Clock): CapsuleBudget {
  return new CapsuleBudget({ budget: undefined, clock, wake() {}, slowed() {}, exhausted() {} });
}
