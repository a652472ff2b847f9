/**
 * What may be dropped from a shard's ledger, and which snapshots stay readable.
 *
 * T1. Recovery keeps the newest snapshot and every record after its `through`.
 * T2. History is kept from a *base* snapshot on: its chunks, and every record after its `through`. The base moves on only
 *     when what lies behind a later snapshot is already more than policy asks for, so history is never shorter than that.
 * T3. Three snapshots keep their chunks at most: the base, the one that will be the next base, and the newest.
 */
import type { KeptSnapshot } from "./snapshot.ts";

/** History kept for time travel and replay; what is beyond either bound may go. */
export interface HistoryPolicy {
  readonly maxRecords: number;
  readonly maxAgeMs: number;
}

/** A month of a quiet shard; of a busy one as many turns as replay runs in a minute or so. */
export const HISTORY_POLICY: HistoryPolicy = { maxRecords: 100_000, maxAgeMs: 30 * 24 * 3_600_000 };

export interface Kept {
  /** Snapshots to stay readable, oldest first, the newest last. */
  readonly snapshots: readonly KeptSnapshot[];
  /** Seq of the oldest record needed; 1: nothing may be dropped yet. */
  readonly firstNeeded: number;
}

/** `isTrimmed`: the oldest of `before` is the base already; otherwise history goes back to the first record. */
export function keepSnapshots(
  before: readonly KeptSnapshot[],
  newest: KeptSnapshot,
  isTrimmed: boolean,
  policy: HistoryPolicy,
): Kept {
  const all = [...before, newest];
  const isFarEnough = ({ through, at }: KeptSnapshot): boolean =>
    newest.through - through >= policy.maxRecords || newest.at - at >= policy.maxAgeMs;
  const found = all.findLastIndex(isFarEnough);
  const base = found >= 0 ? found : isTrimmed ? 0 : -1;
  const next = all[base + 1];
  const chosen = [all[base], next, newest].filter((one) => one !== undefined);
  const snapshots = chosen.filter((one, index) => chosen.indexOf(one) === index);
  return { snapshots, firstNeeded: (all[base]?.through ?? 0) + 1 };
}
