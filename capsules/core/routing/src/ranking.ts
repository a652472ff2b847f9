/**
 * Candidates in order, and what decided each place against the next. Pure.
 *
 * RK1. The order is total: priority first (lower is better), then cost, then id by UTF-16 code units. It depends on nothing
 *     but the candidates' values and the policy: not on their order, not on which others there are.
 * RK2. The cost is the sum of loss, latency and failures, each times its weight, in milliseconds. Where two costs
 *     differ, what decided is the part in which the better one gains most; of equal gains the first named above.
 */
import type { RankPolicy } from "./policy.ts";

export type Candidate = {
  readonly id: string;
  readonly priority?: number;
  readonly lossPercent?: number;
  readonly latencyMs?: number;
  /** Of late, as whoever asks counts them. */
  readonly failures?: number;
};

export type LatencyFrom = "measured" | "geometry" | "assumed";
export type Criterion = "priority" | "loss" | "latency" | "stability" | "id";

export type Place = {
  readonly place: number;
  readonly id: string;
  readonly costMs: number;
  readonly latencyMs: number;
  readonly latencyFrom: LatencyFrom;
  /** Null for the last. */
  readonly decidedBy: Decision | null;
};

export type Decision = {
  readonly criterion: Criterion;
  readonly value: number | string;
  readonly against: string;
  readonly next: number | string;
  readonly unit: "percent" | "ms" | "failures" | null;
};

/** An operator who says nothing of priority means neither first nor last. */
const DEFAULT_PRIORITY = 100;

type Valued = {
  readonly id: string;
  readonly priority: number;
  readonly lossPercent: number;
  readonly latencyMs: number;
  readonly latencyFrom: LatencyFrom;
  readonly failures: number;
  readonly costMs: number;
};

/** `estimates`: round trips by id, for candidates without a measured one. */
export function rank(
  candidates: readonly Candidate[],
  policy: RankPolicy,
  estimates: ReadonlyMap<string, number> = new Map(),
): readonly Place[] {
  const valued = candidates.map((one) => value(one, policy, estimates.get(one.id)));
  valued.sort((a, b) => a.priority - b.priority || a.costMs - b.costMs || (a.id < b.id ? -1 : 1));
  return valued.map((one, index): Place => {
    const { id, costMs, latencyMs, latencyFrom } = one;
    const next = valued[index + 1];
    const decidedBy = next === undefined ? null : decision(one, next, policy);
    return { place: index + 1, id, costMs, latencyMs, latencyFrom, decidedBy };
  });
}

function value(candidate: Candidate, policy: RankPolicy, estimate: number | undefined): Valued {
  const { id, priority = DEFAULT_PRIORITY, lossPercent = 0, latencyMs: measured, failures = 0 } = candidate;
  const latencyMs = measured ?? estimate ?? policy.unknownLatencyMs;
  const latencyFrom = measured !== undefined ? "measured" : estimate !== undefined ? "geometry" : "assumed";
  const costMs =
    lossPercent * policy.lossWeightMs + latencyMs * policy.latencyWeight + failures * policy.failureWeightMs;
  return { id, priority, lossPercent, latencyMs, latencyFrom, failures, costMs };
}

/** Sums round the same way for both, so a greater cost has at least one greater part. */
function decision(better: Valued, next: Valued, policy: RankPolicy): Decision {
  const against = next.id;
  if (better.priority !== next.priority)
    return { criterion: "priority", value: better.priority, against, next: next.priority, unit: null };
  if (better.costMs === next.costMs)
    return { criterion: "id", value: better.id, against, next: next.id, unit: null };
  const parts = [
    ["loss", better.lossPercent, next.lossPercent, policy.lossWeightMs, "percent"],
    ["latency", better.latencyMs, next.latencyMs, policy.latencyWeight, "ms"],
    ["stability", better.failures, next.failures, policy.failureWeightMs, "failures"],
  ] as const;
  const gain = ([, own, other, weight]: (typeof parts)[number]): number => other * weight - own * weight;
  const [criterion, own, other, , unit] = parts.reduce((most, part) =>
    gain(part) > gain(most) ? part : most,
  );
  return { criterion, value: own, against, next: other, unit };
}
