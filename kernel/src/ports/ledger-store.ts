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
 */
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
}

export interface LedgerStore {
  /** Resolves to the seq of the last record appended. */
  append(shard: string, expectedSeq: number, records: readonly NewRecord[]): Promise<number>;
  /** Records with seq >= `from` in order, at most `limit`. */
  read(shard: string, from: number, limit: number): Promise<readonly StoredRecord[]>;
  /** Seq of the last record, 0 for a shard without records. */
  lastSeq(shard: string): Promise<number>;
  /** Names of all shards with records, sorted. */
  shards(): Promise<readonly string[]>;
  [Symbol.asyncDispose](): Promise<void>;
}
