/**
 * Which candidate is tried next, as the client ranks by itself: a total order, so that the same history always makes the
 * same choice. It is what the capsule `routing` does with the same values and its usual weights, and says the same of each place. Pure.
 */
import type { Candidate } from "./config.ts";
import { healthOf } from "./draft.ts";
import { recentFailures } from "./paths.ts";
import type { Decision, PathHealth, Place } from "./vocabulary.ts";

/** Routing's usual weights (`capsules/core/routing/spec/logic.md`); a test holds the two together. */
const UNKNOWN_LATENCY_MS = 200;
const LOSS_WEIGHT_MS = 20;
const FAILURE_WEIGHT_MS = 1_000;

export type Paths = { readonly [pathId: string]: PathHealth };

type Valued = {
  readonly pathId: string;
  readonly priority: number;
  readonly loss: number;
  readonly latency: number;
  readonly failures: number;
  readonly costMs: number;
};

/** Priority, then loss, latency and recent failures as one cost, then id; ids compared by UTF-16 code units. */
export function rank(candidates: readonly Candidate[], paths: Paths, at: number): readonly Place[] {
  const valued = candidates.map(({ pathId, priority }): Valued => {
    const health = healthOf({ paths }, pathId);
    const failures = recentFailures(health, at);
    const loss = health.lossPercent ?? 0;
    const latency = health.latencyMs ?? UNKNOWN_LATENCY_MS;
    const costMs = loss * LOSS_WEIGHT_MS + latency + failures * FAILURE_WEIGHT_MS;
    return { pathId, priority, loss, latency, failures, costMs };
  });
  valued.sort((a, b) => a.priority - b.priority || a.costMs - b.costMs || (a.pathId < b.pathId ? -1 : 1));
  return valued.map((one, index): Place => {
    const next = valued[index + 1];
    return { pathId: one.pathId, decidedBy: next === undefined ? null : decision(one, next) };
  });
}

function decision(better: Valued, next: Valued): Decision {
  const against = next.pathId;
  const decided = (criterion: string, value: number | string, other: number | string, unit: string | null) =>
    ({ criterion, value, against, next: other, unit }) as const;
  if (better.priority !== next.priority) return decided("priority", better.priority, next.priority, null);
  if (better.costMs === next.costMs) return decided("id", better.pathId, next.pathId, null);
  const parts = [
    ["loss", better.loss, next.loss, LOSS_WEIGHT_MS, "percent"],
    ["latency", better.latency, next.latency, 1, "ms"],
    ["stability", better.failures, next.failures, FAILURE_WEIGHT_MS, "failures"],
  ] as const;
  const gain = ([, own, other, weight]: (typeof parts)[number]): number => other * weight - own * weight;
  const [criterion, own, other, , unit] = parts.reduce((most, part) =>
    gain(part) > gain(most) ? part : most,
  );
  return decided(criterion, own, other, unit);
}

/**
 * The best that was not tried in this round. One that is held back, and the path in trouble, come after the others, and
 * what is both comes last. Undefined: the round is over.
 */
export function nextPath(
  order: readonly string[],
  tried: readonly string[],
  inTrouble: string | null,
  isHeldBack: (pathId: string) => boolean,
): string | undefined {
  const last = (pathId: string): number => (isHeldBack(pathId) ? 2 : 0) + (pathId === inTrouble ? 1 : 0);
  const left = order.filter((pathId) => !tried.includes(pathId));
  return left.toSorted((a, b) => last(a) - last(b))[0];
}
