/**
 * What a capsule may use, as a rate, and what becomes of one that uses more: first it is slowed down to its rate, and when that
 * has lasted for its patience it is to be suspended. Pure; time is an argument.
 *
 * U1. Over any span a capsule uses no more than its rates times the span, one burst, and what one batch of turns cost.
 * U2. One that stays within its rates is never slowed.
 * U3. Suspension needs `patienceMs` of being slowed without a break; a break is a moment at which half of every burst is back.
 */

export const METERED = ["turns", "messages", "bytes", "cpu"] as const;
/** Finished turns; effects asked for; bytes of JSON to and from the sandbox; milliseconds of processor time. */
export type Metered = (typeof METERED)[number];
/** Memory is a level and not a rate: what is over it stays over it until it is given back. */
export type BudgetItem = Metered | "memory";

export interface Budget {
  /** A second; what is left out is not limited. */
  readonly rates: { readonly [item in Metered]?: number };
  readonly memoryBytes?: number;
  /** Being slowed for so long, without a break, ends in suspension. */
  readonly patienceMs: number;
  /** A suspended capsule is resumed after it; undefined: by a person only. */
  readonly resumeAfterMs?: number;
}

export interface BudgetState {
  /** Node time the tokens were counted at. */
  readonly at: number;
  readonly tokens: { readonly [item in Metered]: number };
  readonly memoryBytes: number;
  /** While over its memory: when it gets its next turn. */
  readonly pacedTo: number;
  readonly slowed: { readonly since: number; readonly by: BudgetItem } | undefined;
}

/** So much of a rate may be used at once: the work of one second. */
const BURST_MS = 1_000;
/** A capsule over its memory still gets a turn this often: it may be the one that gives memory back. */
const MEMORY_PACE_MS = 1_000;

export type Allowance =
  | { readonly kind: "free"; readonly turns: number }
  /** Nothing before `until`, when it is to ask again: there is room then, or its patience has ended. */
  | { readonly kind: "slowed"; readonly by: BudgetItem; readonly until: number }
  | { readonly kind: "exhausted"; readonly by: BudgetItem; readonly since: number };

export function freshBudget(budget: Budget, at: number): BudgetState {
  const full = (item: Metered): number => burstOf(budget, item);
  const tokens = {
    turns: full("turns"),
    messages: full("messages"),
    bytes: full("bytes"),
    cpu: full("cpu"),
  };
  return { at, tokens, memoryBytes: 0, pacedTo: 0, slowed: undefined };
}

/** Usage that has happened; it may leave a debt. */
export function spend(state: BudgetState, spent: { readonly [item in Metered]?: number }): BudgetState {
  const tokens = { ...state.tokens };
  for (const item of METERED) tokens[item] -= spent[item] ?? 0;
  return { ...state, tokens };
}

/** What may be done now. */
export function allow(
  before: BudgetState,
  budget: Budget,
  now: number,
): { readonly state: BudgetState; readonly allowance: Allowance } {
  const state = refilled(before, budget, now);
  const held = heldBy(state, budget);
  const isOver = isOverMemory(state, budget);
  if (held === undefined && !isOver) {
    const slowed = isCalm(state, budget) ? undefined : state.slowed;
    const room = budget.rates.turns === undefined ? Number.POSITIVE_INFINITY : Math.floor(state.tokens.turns);
    return { state: { ...state, slowed }, allowance: { kind: "free", turns: room } };
  }
  const by = held?.by ?? "memory";
  const slowed = state.slowed ?? { since: state.at, by };
  const next = { ...state, slowed };
  if (state.at - slowed.since >= budget.patienceMs)
    return { state: next, allowance: { kind: "exhausted", by, since: slowed.since } };
  if (held !== undefined || state.at < state.pacedTo) {
    const until = Math.min(held?.until ?? state.pacedTo, slowed.since + budget.patienceMs);
    return { state: next, allowance: { kind: "slowed", by, until } };
  }
  return {
    state: { ...next, pacedTo: state.at + MEMORY_PACE_MS },
    allowance: { kind: "free", turns: 1 },
  };
}

/** A reading of the memory that is in use. */
export function measured(state: BudgetState, memoryBytes: number): BudgetState {
  return { ...state, memoryBytes };
}

function refilled(state: BudgetState, budget: Budget, now: number): BudgetState {
  const at = Math.max(state.at, now);
  const tokens = { ...state.tokens };
  for (const item of METERED) {
    const rate = budget.rates[item];
    if (rate === undefined) continue;
    tokens[item] = Math.min(burstOf(budget, item), tokens[item] + ((at - state.at) * rate) / 1_000);
  }
  return { ...state, at, tokens };
}

/** When this one alone holds nothing back any more, whatever the others do; undefined: now. */
export function paidAt(before: BudgetState, budget: Budget, item: Metered, now: number): number | undefined {
  return heldUntil(refilled(before, budget, now), budget, item);
}

/** The rate that holds the capsule back longest, and until when. */
function heldBy(
  state: BudgetState,
  budget: Budget,
): { readonly by: Metered; readonly until: number } | undefined {
  let held: { readonly by: Metered; readonly until: number } | undefined;
  for (const item of METERED) {
    const until = heldUntil(state, budget, item);
    if (until !== undefined && (held === undefined || until > held.until)) held = { by: item, until };
  }
  return held;
}

function heldUntil({ at, tokens }: BudgetState, { rates }: Budget, item: Metered): number | undefined {
  const rate = rates[item];
  // Turns are taken whole; of the rest it is enough that the debt is paid.
  const needed = item === "turns" ? 1 : 0;
  if (rate === undefined || tokens[item] >= needed) return undefined;
  return at + Math.max(1, Math.ceil(((needed - tokens[item]) * 1_000) / rate));
}

function isOverMemory({ memoryBytes }: BudgetState, { memoryBytes: most }: Budget): boolean {
  return most !== undefined && memoryBytes > most;
}

function isCalm({ tokens }: BudgetState, budget: Budget): boolean {
  return METERED.every(
    (item) => budget.rates[item] === undefined || tokens[item] >= burstOf(budget, item) / 2,
  );
}

/** At least one whole turn, so that the slowest rate still gets somewhere. */
function burstOf({ rates }: Budget, item: Metered): number {
  return Math.max(1, ((rates[item] ?? 0) * BURST_MS) / 1_000);
}
