/** Finds an event by its time: times never fall within a shard, so a few reads are enough however long it is. */
import { decodeRecord } from "../../ledger/record.ts";
import type { LedgerStore } from "../../ports/ledger-store.ts";

/** Seq of the first event that is kept and was published at or after `time`; one behind `last` when none was. */
export async function firstAtOrAfter(
  store: LedgerStore,
  shard: string,
  last: number,
  time: number,
): Promise<number> {
  let [low, high] = [1, last + 1];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const [stored] = await store.read(shard, middle, 1);
    if (stored === undefined) high = middle;
    else if (decodeRecord(shard, stored.seq, stored.bytes).at < time) low = stored.seq + 1;
    // A gap: everything below was dropped, and the first that is kept is late enough.
    else if (stored.seq > middle) return stored.seq;
    else high = middle;
  }
  return low;
}

/** Seq of the last event with a time before `time`, of those up to `last`; where none is kept, what lies before the first one. */
export async function lastEventBefore(
  store: LedgerStore,
  shard: string,
  last: number,
  time: number,
): Promise<number> {
  return (await firstAtOrAfter(store, shard, last, time)) - 1;
}
