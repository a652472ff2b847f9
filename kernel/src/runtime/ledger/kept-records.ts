/** How many records of a shard are still there: what was trimmed counts among those written, and is gone. */
import type { LedgerStore } from "../../ports/ledger-store.ts";

export interface ShardEnd {
  readonly shard: string;
  readonly lastSeq: number;
}

/** Of all the shards together. */
export async function keptRecords(
  store: Pick<LedgerStore, "firstSeq">,
  ends: readonly ShardEnd[],
): Promise<number> {
  const kept = await Promise.all(
    ends.map(async ({ shard, lastSeq }) => {
      const first = await store.firstSeq(shard);
      return first === 0 ? 0 : lastSeq - first + 1;
    }),
  );
  return kept.reduce((sum, count) => sum + count, 0);
}
