/** Finds an event by its time: times never fall within a shard, so a few reads are enough however long it is. */
import { decodeRecord } from "../../ledger/record.ts";
import type { LedgerStore } from "../../ports/ledger-store.ts";

/** Seq of the last kept event with a time before `at`, 0 when there is none. `last`: where to look from. */
export async function lastEventBefore(
  store: LedgerStore,
  shard: string,
  last: number,
  at: number,
): Promise<number> {
  let low = Math.max(await store.firstSeq(shard), 1);
  let high = last + 1;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const [stored] = await store.read(shard, middle, 1);
    if (stored !== undefined && decodeRecord(shard, middle, stored.bytes).at < at) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
