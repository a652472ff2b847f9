/**
 * Reads shards back from the store: the newest snapshot that is whole, and the records after it, each checked and folded.
 * What is not whole is named, never used.
 *
 * Y1. A snapshot with a damaged chunk is passed over for the one before it, whose records are all kept; when none is
 *     whole and the first records are gone, the shard is refused by name. The damage is reported either way.
 */
import { isVnesError, type VnesError } from "@vnes/schemas";
import { kernelErrors } from "../../errors.ts";
import { assertChain, fromHex, genesisHash } from "../../ledger/chain.ts";
import { decodeRecord, type LedgerRecord } from "../../ledger/record.ts";
import { applyRecord, emptyShard, type ShardState } from "../../ledger/shard-state.ts";
import type { KeptSnapshot } from "../../ledger/snapshot.ts";
import type { Digest } from "../../ports/digest.ts";
import type { LedgerStore } from "../../ports/ledger-store.ts";
import type { ShardHead } from "../ledger/shard-log.ts";
import { listSnapshots, loadSnapshot, readSnapshot } from "../ledger/snapshot-reader.ts";
import type { WrittenState } from "../ledger/snapshot-writer.ts";

const PAGE = 1_024;

export interface RecoveredShard {
  readonly state: ShardState;
  readonly head: ShardHead;
  /** The snapshot the state was read from, as it lies in the store; undefined: from the first record. */
  readonly written: WrittenState | undefined;
  /** Snapshots that can still be read, oldest first, that one last. */
  readonly snapshots: readonly KeptSnapshot[];
  /** What was folded on top of it. */
  readonly tail: { readonly records: number; readonly bytes: number };
  /** Snapshots that were passed over, and why. */
  readonly damage: readonly VnesError[];
}

/** Throws `LEDGER_HASH_WRONG`, `LEDGER_RECORD_INVALID` or `SNAPSHOT_CHUNK_DAMAGED` with the shard and seq. */
export async function recoverShard(
  store: LedgerStore,
  shard: string,
  digest: Digest,
  onRecord?: (record: LedgerRecord) => void,
): Promise<RecoveredShard> {
  return await recoverThrough(store, shard, digest, Number.POSITIVE_INFINITY, onRecord);
}

/** The same as it was after record `seq`; `head` is that record's. Throws `STATE_COMPACTED` when it is gone. */
export async function recoverShardAt(
  store: LedgerStore,
  shard: string,
  seq: number,
  digest: Digest,
): Promise<RecoveredShard> {
  return await recoverThrough(store, shard, digest, seq);
}

/** The state after record `seq`. Throws `STATE_COMPACTED` when the records that led there are gone. */
export async function readShardAt(
  store: LedgerStore,
  shard: string,
  seq: number,
  digest: Digest,
): Promise<ShardState> {
  return (await recoverThrough(store, shard, digest, seq)).state;
}

export async function recoverAll(
  store: LedgerStore,
  digest: Digest,
  isOwn: (shard: string) => boolean = () => true,
): Promise<Map<string, RecoveredShard>> {
  const shards = new Map<string, RecoveredShard>();
  for (const shard of await store.shards())
    if (isOwn(shard)) shards.set(shard, await recoverShard(store, shard, digest));
  return shards;
}

async function recoverThrough(
  store: LedgerStore,
  shard: string,
  digest: Digest,
  last: number,
  onRecord?: (record: LedgerRecord) => void,
): Promise<RecoveredShard> {
  const { state, hash: before, written, snapshots, damage } = await newestState(store, shard, digest, last);
  let hash = before;
  let bytesRead = 0;
  const start = state.seq;
  for (;;) {
    const page = await store.read(shard, state.seq + 1, Math.min(PAGE, last - state.seq));
    for (const { seq, bytes, hash: stored } of page) {
      hash = assertChain(shard, seq, hash, bytes, stored, digest);
      const record = decodeRecord(shard, seq, bytes);
      applyRecord(state, record);
      bytesRead += bytes.length;
      onRecord?.(record);
    }
    if (page.length < PAGE) break;
  }
  const tail = { records: state.seq - start, bytes: bytesRead };
  return { state, head: { seq: state.seq, hash }, written, snapshots, tail, damage };
}

export type Beginning = Pick<RecoveredShard, "state" | "written" | "snapshots" | "damage"> & {
  /** Chain hash of the last record the state holds. */
  readonly hash: Uint8Array;
};

/** The newest state at or before `last` that can be read whole (Y1). */
export async function newestState(
  store: LedgerStore,
  shard: string,
  digest: Digest,
  last: number,
): Promise<Beginning> {
  const damage: VnesError[] = [];
  const all = await listSnapshots(store, shard);
  for (const [index, { seq, through }] of all.entries()) {
    if (through > last) continue;
    try {
      const snapshot = await readSnapshot(store, shard, seq);
      const { state, written } = await loadSnapshot(store, shard, seq, snapshot, digest);
      return { state, hash: fromHex(snapshot.head), written, snapshots: all.slice(index).reverse(), damage };
    } catch (error) {
      if (!isVnesError(error) || error.code !== "SNAPSHOT_CHUNK_DAMAGED") throw error;
      damage.push(error);
    }
  }
  if ((await store.firstSeq(shard)) <= 1) {
    const hash = genesisHash(shard, digest);
    return { state: emptyShard(shard), hash, written: undefined, snapshots: [], damage };
  }
  const [first] = damage;
  if (first !== undefined) throw first;
  if (last === Number.POSITIVE_INFINITY) {
    // Nobody asked for what was trimmed: the shard itself cannot be read back.
    const problem = "the records before it are gone, and no snapshot holds what they said";
    throw kernelErrors.create("LEDGER_RECORD_INVALID", { shard, seq: await store.firstSeq(shard), problem });
  }
  const oldest = all.at(-1)?.through ?? 0;
  throw kernelErrors.create("STATE_COMPACTED", { shard, seq: last, oldest });
}

/** The state recovery found; an empty one for a shard without records. */
export function stateOf(
  recovered: ReadonlyMap<string, RecoveredShard>,
  shard: string,
): RecoveredShard["state"] {
  return recovered.get(shard)?.state ?? emptyShard(shard);
}
