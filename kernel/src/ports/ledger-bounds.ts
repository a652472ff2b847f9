/** How large an append may be; the same for every ledger store, so that a ledger can move from one to another. */
import type { VnesError } from "@vnes/schemas";
import { ledgerErrors } from "./ledger-errors.ts";
import type { NewRecord } from "./ledger-store.ts";

/** The largest message NATS advises, so that every record that fits one store fits the other. */
export const MAX_RECORD_BYTES: number = 8 * 1024 * 1024;
/** Records in one append; a turn makes one record, so this is far above a batch and still bounds a transaction. */
export const MAX_APPEND_RECORDS = 4_096;
/** A chunk holds at least one key with its value, and a value is never larger than the record that wrote it. */
export const MAX_CHUNK_BYTES: number = MAX_RECORD_BYTES;
/** SHA-256. */
export const RECORD_HASH_BYTES = 32;

/** Why an append may not even be tried; throws for a hash that is none, which only a bug can make. */
export function appendProblem(shard: string, records: readonly NewRecord[]): VnesError | undefined {
  if (records.length > MAX_APPEND_RECORDS)
    return tooLarge(shard, records.length, "records", MAX_APPEND_RECORDS);
  for (const { bytes, hash } of records) {
    if (hash.length !== RECORD_HASH_BYTES)
      throw new TypeError(`a record hash has ${RECORD_HASH_BYTES} bytes`);
    if (bytes.length > MAX_RECORD_BYTES)
      return tooLarge(shard, bytes.length, "bytes in one record", MAX_RECORD_BYTES);
  }
  return undefined;
}

/** Why a chunk may not even be put. */
export function chunkProblem(shard: string, bytes: Uint8Array): VnesError | undefined {
  if (bytes.length <= MAX_CHUNK_BYTES) return undefined;
  return tooLarge(shard, bytes.length, "bytes in one chunk", MAX_CHUNK_BYTES);
}

/** Throws for a trim that would drop what recovery needs, which only a bug can ask for. */
export function assertTrim(shard: string, before: number, lastSnapshot: number): void {
  if (before > Math.max(lastSnapshot, 1))
    throw new RangeError(`trim of ${shard} below ${before}: its newest snapshot is record ${lastSnapshot}`);
}

function tooLarge(shard: string, size: number, unit: string, limit: number): VnesError {
  return ledgerErrors.create("LEDGER_RECORD_TOO_LARGE", { shard, size, unit, limit });
}
