/** When a shard is worth a snapshot. */

export interface SnapshotPolicy {
  /** Records since the last one, at least: recovery folds that many in a few hundredths of a second. */
  readonly minRecords: number;
  /**
   * Bytes of records since the last one, at least, in times what the last one holds. A snapshot writes at most all of the
   * state, so all of them together write at most 1 / `minShare` times what the records themselves take; and recovery folds
   * at most `minShare` times the state, 7 or 8 ms for each MiB of it.
   */
  readonly minShare: number;
}

export const SNAPSHOT_POLICY: SnapshotPolicy = { minRecords: 4_096, minShare: 2 };

/** At a clean end a snapshot spares the next boot a fold; below this many records it would spare nothing one notices. */
export const SHUTDOWN_MIN_RECORDS = 256;

/** A snapshot that failed (a full disk) is tried again only after a part of the records that made it due. */
export const RETRY_PART = 8;

export function isSnapshotDue(
  since: { readonly records: number; readonly bytes: number },
  heldBytes: number,
  policy: SnapshotPolicy,
): boolean {
  return since.records >= policy.minRecords && since.bytes >= policy.minShare * heldBytes;
}
