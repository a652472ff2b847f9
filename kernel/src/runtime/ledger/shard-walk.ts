/** Walks a shard's records in order, every hash checked, with the state they add up to: what time travel is made of. */
import { setImmediate as nextRound } from "node:timers/promises";
import { kernelErrors } from "../../errors.ts";
import { assertChain } from "../../ledger/chain.ts";
import { decodeRecord, type LedgerRecord } from "../../ledger/record.ts";
import { applyRecord, type ShardState } from "../../ledger/shard-state.ts";
import type { Digest } from "../../ports/digest.ts";
import type { LedgerStore } from "../../ports/ledger-store.ts";
import { newestState } from "../boot/recovery.ts";
import { listSnapshots } from "./snapshot-reader.ts";

/** A few milliseconds of reading, hashing and folding: the node's own work goes on between two pages. */
const PAGE = 256;

export interface Walk {
  readonly store: LedgerStore;
  readonly digest: Digest;
  readonly shard: string;
}

/**
 * Begins with the newest state at or before seq `from` that is kept, and folds records up to seq `through`. `before` sees each
 * record and the state before it; false ends the walk without that record.
 * Throws `STATE_COMPACTED`, `SNAPSHOT_CHUNK_DAMAGED`, `LEDGER_HASH_WRONG` or `LEDGER_RECORD_INVALID`.
 */
export async function walkShard(
  { store, digest, shard }: Walk,
  { from, through }: { readonly from: number; readonly through: number },
  before: (record: LedgerRecord, state: ShardState) => boolean = () => true,
): Promise<ShardState> {
  const beginning = await newestState(store, shard, digest, from);
  const { state } = beginning;
  let { hash } = beginning;
  while (state.seq < through) {
    const page = await store.read(shard, state.seq + 1, Math.min(PAGE, through - state.seq));
    if (page.length === 0) return state;
    for (const { seq, bytes, hash: stored } of page) {
      hash = assertChain(shard, seq, hash, bytes, stored, digest);
      const record = decodeRecord(shard, seq, bytes);
      if (!before(record, state)) return state;
      applyRecord(state, record);
    }
    // A store may answer without the event loop ever turning.
    await nextRound();
  }
  return state;
}

/** Where a walk over everything that is kept begins: after this record. */
export async function oldestKept({ store, shard }: Walk): Promise<number> {
  if ((await store.firstSeq(shard)) <= 1) return 0;
  return (await listSnapshots(store, shard)).at(-1)?.through ?? 0;
}

/** Where a walk to a node time may begin. Throws `STATE_COMPACTED` for a time before what is kept. */
export async function keptAt(walk: Walk, at: number): Promise<number> {
  const snapshots = await listSnapshots(walk.store, walk.shard);
  const found = snapshots.find((one) => one.at <= at);
  if (found !== undefined) return found.through;
  const oldest = await oldestKept(walk);
  if (oldest === 0) return 0;
  const { shard } = walk;
  throw kernelErrors.create("STATE_COMPACTED", { shard, seq: oldest - 1, oldest });
}
