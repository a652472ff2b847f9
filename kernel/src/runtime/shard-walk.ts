/** Walks a shard's records in order, every hash checked, with the state they add up to: what time travel is made of. */
import { kernelErrors } from "../errors.ts";
import { assertChain, genesisHash } from "../ledger/chain.ts";
import { decodeRecord, type LedgerRecord } from "../ledger/record.ts";
import { applyRecord, emptyShard, type ShardState } from "../ledger/shard-state.ts";
import type { Digest } from "../ports/digest.ts";
import type { LedgerStore } from "../ports/ledger-store.ts";

const PAGE = 1_024;

export interface Walk {
  readonly store: LedgerStore;
  readonly digest: Digest;
  readonly shard: string;
}

/**
 * Folds records up to seq `through`. `before` sees each record and the state before it; false ends the walk without that record.
 * Throws `STATE_COMPACTED`, `LEDGER_HASH_WRONG` or `LEDGER_RECORD_INVALID`.
 */
export async function walkShard(
  { store, digest, shard }: Walk,
  through: number,
  before: (record: LedgerRecord, state: ShardState) => boolean = () => true,
): Promise<ShardState> {
  const state = emptyShard(shard);
  const oldest = await store.firstSeq(shard);
  if (oldest > 1) throw kernelErrors.create("STATE_COMPACTED", { shard, seq: through, oldest });
  let hash = genesisHash(shard, digest);
  while (state.seq < through) {
    const page = await store.read(shard, state.seq + 1, Math.min(PAGE, through - state.seq));
    if (page.length === 0) return state;
    for (const { seq, bytes, hash: stored } of page) {
      hash = assertChain(shard, seq, hash, bytes, stored, digest);
      const record = decodeRecord(shard, seq, bytes);
      if (!before(record, state)) return state;
      applyRecord(state, record);
    }
  }
  return state;
}
