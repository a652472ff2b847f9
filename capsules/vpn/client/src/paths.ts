/**
 * What the client learns of its paths, and what follows from it.
 *
 * CL8. Only what the gateway answered counts for a path. One that failed is held back, for twice as long with each failure in
 *     a row, until it answers at full size.
 */
import { change, type Draft, healthOf } from "./draft.ts";
import type { PathHealth } from "./vocabulary.ts";

/** How far back a failure counts against a path. */
export const STABILITY_MS = 600_000;
/** Failures remembered of a path; more within ten minutes make it no worse. */
export const MAX_FAILED = 16;
/** How long a path is held back after its first failure in a row, and at most. */
export const HOLD_FIRST_MS = 5_000;
export const HOLD_LAST_MS = 300_000;
/** The share of a new value in a smoothed one is one of these (RFC 6298). */
const SMOOTHING = 8;
const MAX_LATENCY_MS = 60_000;

export function learn(draft: Draft, pathId: string, fields: Partial<PathHealth>): void {
  const health = { ...healthOf(draft.agent, pathId), ...fields };
  change(draft, { paths: { ...draft.agent.paths, [pathId]: health } });
}

/** The path failed: counts against it, and it is held back. */
export function blame(draft: Draft, pathId: string, reason: string): void {
  const { at } = draft;
  const health = healthOf(draft.agent, pathId);
  const failures = health.failures + 1;
  const heldMs = Math.min(HOLD_FIRST_MS * 2 ** Math.min(failures - 1, MAX_FAILED), HOLD_LAST_MS);
  const failedAt = [...recent(health, at), at].slice(-MAX_FAILED);
  learn(draft, pathId, { failures, lastFailure: reason, failedAt, retryAt: at + heldMs });
}

/** The gateway answered over the path as it should. */
export function trust(draft: Draft, pathId: string): void {
  learn(draft, pathId, { failures: 0, lastFailure: null, lastOkAt: draft.at, retryAt: null });
}

/** One ping's outcome; null: it was not answered. */
export function measure(draft: Draft, pathId: string, rttMs: number | null): void {
  const health = healthOf(draft.agent, pathId);
  const lossPercent = smoothed(health.lossPercent ?? 0, rttMs === null ? 100 : 0);
  if (rttMs === null) return learn(draft, pathId, { lossPercent });
  const taken = Math.min(rttMs, MAX_LATENCY_MS);
  const latencyMs = health.latencyMs === null ? taken : smoothed(health.latencyMs, taken);
  learn(draft, pathId, { lossPercent, latencyMs });
}

function smoothed(before: number, now: number): number {
  return before + (now - before) / SMOOTHING;
}

function recent({ failedAt }: Pick<PathHealth, "failedAt">, at: number): readonly number[] {
  return failedAt.filter((failed) => failed > at - STABILITY_MS);
}

/** Failures that count against a path now. */
export function recentFailures(health: Pick<PathHealth, "failedAt">, at: number): number {
  return recent(health, at).length;
}

export function isHeldBack({ retryAt }: Pick<PathHealth, "retryAt">, at: number): boolean {
  return retryAt !== null && at < retryAt;
}

/** Another network than the one the paths failed in: what they did there is no reason not to try. */
export function forgive(draft: Draft): void {
  for (const pathId of Object.keys(draft.agent.paths)) learn(draft, pathId, { failures: 0, retryAt: null });
}
