/**
 * Which candidate is tried next, as the client ranks by itself: a total order, so that the same history always makes the
 * same choice. It is what the capsule `routing` does with the same values and its usual weights, and says the same of each place. Pure.
 */
import type { Candidate } from "./config.ts";
import type { PathHealth, Place } from "./vocabulary.ts";

/** Routing's usual weights (`capsules/core/routing/spec/logic.md`); a test holds the two together. */
const UNKNOWN_LATENCY_MS = 200;
const FAILURE_WEIGHT_MS = 1_000;

export type Paths = { readonly [pathId: string]: PathHealth };

/** Priority, then latency and failures as one cost, then id; ids compared by UTF-16 code units. */
export function rank(candidates: readonly Candidate[], paths: Paths): readonly Place[] {
  const valued = candidates.map(({ pathId, priority }) => {
    const { failures = 0, latencyMs = null } = paths[pathId] ?? {};
    const latency = latencyMs ?? UNKNOWN_LATENCY_MS;
    return { pathId, priority, failures, latency, costMs: latency + failures * FAILURE_WEIGHT_MS };
  });
  valued.sort((a, b) => a.priority - b.priority || a.costMs - b.costMs || (a.pathId < b.pathId ? -1 : 1));
  return valued.map(({ pathId, priority, failures, latency, costMs }, index): Place => {
    const next = valued[index + 1];
    if (next === undefined) return { pathId, decidedBy: null };
    const against = next.pathId;
    if (priority !== next.priority) {
      const values = { value: priority, against, next: next.priority, unit: null };
      return { pathId, decidedBy: { criterion: "priority", ...values } };
    }
    if (costMs === next.costMs) {
      return { pathId, decidedBy: { criterion: "id", value: pathId, against, next: against, unit: null } };
    }
    if (next.latency - latency >= (next.failures - failures) * FAILURE_WEIGHT_MS) {
      const values = { value: latency, against, next: next.latency, unit: "ms" };
      return { pathId, decidedBy: { criterion: "latency", ...values } };
    }
    const values = { value: failures, against, next: next.failures, unit: "failures" };
    return { pathId, decidedBy: { criterion: "stability", ...values } };
  });
}

/** The best that was not tried in this round; the path in trouble last. Undefined: the round is over. */
export function nextPath(
  order: readonly string[],
  tried: readonly string[],
  inTrouble: string | null,
): string | undefined {
  const left = order.filter((pathId) => !tried.includes(pathId));
  return left.find((pathId) => pathId !== inTrouble) ?? left[0];
}
