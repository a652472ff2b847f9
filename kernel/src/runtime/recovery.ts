/** Reads every shard back from the store: checks each hash, folds each record. What is not whole is named, never used. */
import { assertChain, genesisHash } from "../ledger/chain.ts";
import { decodeRecord, type LedgerRecord } from "../ledger/record.ts";
import { applyRecord, emptyShard, type ShardState } from "../ledger/shard-state.ts";
import type { Digest } from "../ports/digest.ts";
import type { LedgerStore } from "../ports/ledger-store.ts";
import type { ShardHead } from "./shard-log.ts";

const PAGE = 1_024;

export interface RecoveredShard {
  readonly state: ShardState;
  readonly head: ShardHead;
}

/** Throws `LEDGER_HASH_WRONG` or `LEDGER_RECORD_INVALID` with the shard and seq. */
export async function recoverShard(
  store: LedgerStore,
  shard: string,
  digest: Digest,
  onRecord?: (record: LedgerRecord) => void,
): Promise<RecoveredShard> {
  const state = emptyShard(shard);
  let hash = genesisHash(shard, digest);
  for (;;) {
    const page = await store.read(shard, state.seq + 1, PAGE);
    for (const { seq, bytes, hash: stored } of page) {
      hash = assertChain(shard, seq, hash, bytes, stored, digest);
      const record = decodeRecord(shard, seq, bytes);
      applyRecord(state, record);
      onRecord?.(record);
    }
    if (page.length < PAGE) return { state, head: { seq: state.seq, hash } };
  }
}

export async function recoverAll(
  store: LedgerStore,
  digest: Digest,
  onRecord: (shard: string, record: LedgerRecord) => void,
): Promise<Map<string, RecoveredShard>> {
  const shards = new Map<string, RecoveredShard>();
  for (const shard of await store.shards()) {
    shards.set(shard, await recoverShard(store, shard, digest, (record) => onRecord(shard, record)));
  }
  return shards;
}
