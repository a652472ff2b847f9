/** Which candidate is tried next: a total order, so that the same history always makes the same choice. Pure. */
import type { Candidate } from "./config.ts";
import type { PathHealth } from "./vocabulary.ts";

/** Priority, then failures, then id; ids compared by UTF-16 code units. */
export function rank(
  candidates: readonly Candidate[],
  paths: { readonly [pathId: string]: PathHealth },
): readonly Candidate[] {
  const failures = (candidate: Candidate): number => paths[candidate.pathId]?.failures ?? 0;
  return [...candidates].sort(
    (a, b) => a.priority - b.priority || failures(a) - failures(b) || (a.pathId < b.pathId ? -1 : 1),
  );
}

/** The best that was not tried in this round; the path in trouble last. Undefined: the round is over. */
export function nextPath(
  candidates: readonly Candidate[],
  paths: { readonly [pathId: string]: PathHealth },
  tried: readonly string[],
  inTrouble: string | null,
): string | undefined {
  const left = rank(candidates, paths)
    .map((candidate) => candidate.pathId)
    .filter((pathId) => !tried.includes(pathId));
  return left.find((pathId) => pathId !== inTrouble) ?? left[0];
}
