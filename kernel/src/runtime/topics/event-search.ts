/** Where in a partition a time is: its records carry node time, which never falls within a shard. */
import { decodeRecord } from "../../ledger/record.ts";
import type { LedgerStore } from "../../ports/ledger-store.ts";
import type { Partition } from "./partition.ts";

/** Seq of the first event that is kept and was published at or after `time`; one behind the last when none was. */
export async function firstAtOrAfter(
  store: LedgerStore,
  { shard, lastSeq }: Pick<Partition, "shard" | "lastSeq">,
  time: number,
): Promise<number> {
  let [low, high] = [1, lastSeq + 1];
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

/** The first kept record is late enough already: whatever is below it is gone. */
