import type { VnesError } from "@vnes/schemas";

/**
 * What a store whose shards can pass to another owner says of its right to act. Appends need no lease: an owner that lost a
 * shard fails its next one. Everything that appends nothing does: outside effects, answers from memory, devices.
 */
export interface LedgerLease {
  /** True while nobody else can own the shard, by a clock that counts sleep. */
  isHeld(shard: string): boolean;
  /** What is owned and not held for sure, by the names of the store's groups; empty while all is well. */
  lost(): readonly string[];
  /** `LEDGER_CLAIMED` when somebody else has claimed what is owned here: that does not come back by itself. */
  taken(): VnesError | undefined;
  /** Hears of every change of `lost` and `taken`, some milliseconds later; the returned function ends it. */
  onChange(listener: (lost: readonly string[]) => void): () => void;
}
