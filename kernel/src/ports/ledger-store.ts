/**
 * Where records are kept. A store knows bytes, sequences and hashes; what a record means is the ledger's business.
 *
 * 1. An append is durable before it resolves: it survives `kill -9`, and a power cut where the driver says so.
 * 2. `expectedSeq` is the seq of the last record the caller knows; if the shard's last seq differs, the append is
 *    refused with `LEDGER_SEQUENCE_CONFLICT` and nothing of it is kept.
 * 3. One append is one shard and all or nothing. Appends in flight together may share one commit.
 * 4. Appends to one shard issued in order resolve in order. When one fails, every later one already issued to that
 *    shard fails with it.
 * 5. `seq` counts from 1 without gaps.
 * 6. A chunk is a piece of a snapshot, kept by shard and name. `putChunk` is durable before it resolves, makes no record
 *    and no shard; the same name again replaces what was there. Chunks are put before the record that names them is
 *    appended: a crash in between leaves chunks nobody names, and nothing else.
 * 7. `lastSnapshot` is the seq of the newest record that was appended with `snapshot: true`, kept with that append.
 * 8. `trim` drops records below `before` from the oldest on, then chunks whose name is not in `keepChunks`. It may stop
 *    anywhere (a crash, a full disk): what is left is a run of records without gaps and at least the chunks to be kept,
 *    and the next trim drops the rest. A chunk put while a trim runs is never dropped by it. Nothing of the newest
 *    snapshot record and what follows it can be dropped: `before` beyond it is a bug and rejects with `RangeError`.
 * 9. Only the owner of a shard puts chunks and trims. Appends and reads go on meanwhile; no step of it takes long.
 */
import type { LedgerLease } from "./ledger-lease.ts";

export interface StoredRecord {
  readonly shard: string;
  readonly seq: number;
  /** Encoded once by the ledger; never re-encoded. */
  readonly bytes: Uint8Array;
  /** Chain hash: sha256(hash of the previous record ‖ bytes), 32 bytes. The store keeps it, the ledger checks it. */
  readonly hash: Uint8Array;
}

export interface NewRecord {
  readonly bytes: Uint8Array;
  readonly hash: Uint8Array;
  /** The shard can be read from this record on, with the chunks it names: `lastSnapshot` finds it. */
  readonly snapshot?: true;
}

/**
 * Where a store may put bytes that it would have to make room for, so that a long reading is no work for the garbage
 * collector. Whoever gives it away knows when nobody looks at the records any more, and takes it back.
 */
export interface RecordMemory {
  /** So many bytes, which nobody else writes to until it is taken back. */
  take(bytes: number): Uint8Array;
}

/** What a trim dropped. */
export interface Trimmed {
  readonly records: number;
  readonly chunks: number;
}

export interface LedgerStore {
  /** Absent where a shard cannot pass to another owner while this one runs. */
  readonly lease?: LedgerLease;
  /** Resolves to the seq of the last record appended. */
  append(shard: string, expectedSeq: number, records: readonly NewRecord[]): Promise<number>;
  /**
   * Records with seq >= `from` in order, at most `limit`; those that were trimmed are not among them. With `memory` their bytes
   * may lie in it, and they may be fewer than there are, but not none.
   */
  read(shard: string, from: number, limit: number, memory?: RecordMemory): Promise<readonly StoredRecord[]>;
  /** Seq of the last record, 0 for a shard without records. */
  lastSeq(shard: string): Promise<number>;
  /** Seq of the oldest record still kept, 0 for a shard without records. */
  firstSeq(shard: string): Promise<number>;
  /** Seq of the newest snapshot record, 0 for none (7). */
  lastSnapshot(shard: string): Promise<number>;
  /** Names of all shards with records, sorted. */
  shards(): Promise<readonly string[]>;
  /** At most `MAX_CHUNK_BYTES`; rejects with `LEDGER_RECORD_TOO_LARGE` beyond (6). */
  putChunk(shard: string, name: string, bytes: Uint8Array): Promise<void>;
  /** Undefined when there is none of that name. What comes back was not checked against its name. */
  readChunk(shard: string, name: string): Promise<Uint8Array | undefined>;
  /** Resolves once what it dropped is gone for good (8). */
  trim(shard: string, before: number, keepChunks: ReadonlySet<string>): Promise<Trimmed>;
  /** Bytes the store takes, as far as it knows: for people, not for decisions. */
  sizeBytes(): Promise<number>;
  [Symbol.asyncDispose](): Promise<void>;
}
