/**
 * A row of the file: one record, or a run of records of one shard that were committed together. A run's records lie in one
 * piece and compressed, because they repeat each other: a turn of a busy shard is a twentieth of its size in it.
 *
 * R1. `seq` is that of the row's last record. `hash` holds the chain hash of each record, one after the other; how many
 *     records there are is told by its length.
 * R2. `bytes` of one record are the record's. Of a run they are a byte that says how (`PLAIN`, `ZSTD`), and what
 *     then follows or comes out: the length of each record (4 bytes, little-endian), then the records.
 * R3. `crc` is CRC-32 over the shard's name, seq (of a run: first-last), hash and bytes, as they are stored: SQLite
 *     notices damage to its pages' structure, not to what they carry.
 */
import { crc32, zstdDecompressSync } from "node:zlib";
import { type NewRecord, RECORD_HASH_BYTES, type RecordMemory } from "@vnes/kernel";
import { compressor } from "./compressor.ts";

/** A run is read as a whole, also for one record of it: one or two tenths of a millisecond. */
export const MAX_RUN_RECORDS = 256;
/** A larger record stands alone, and as it is. A batch of 64 turns of 2 to 4 KB is one run: each costs a compressor of its own to read. */
export const MAX_RUN_BYTES: number = 256 * 1024;
/** Compressing fewer costs more than writing them. */
const MIN_COMPRESSED_BYTES = 8_192;

const PLAIN = 0;
/** RFC 8878. */
const ZSTD = 1;
/** In the head of a frame: no byte for the size of a window stands in it. */
const SINGLE_SEGMENT = 0x20;
const LENGTH_BYTES = 4;
const MAX_PACKED_BYTES: number = MAX_RUN_BYTES + MAX_RUN_RECORDS * LENGTH_BYTES;

/** What stands in the columns `hash`, `crc` and `bytes`. */
export interface RowContent {
  readonly hash: Uint8Array;
  readonly crc: number;
  readonly bytes: Uint8Array;
}

/** `last`: seq of the last of the records, which are one, or as many as a run may hold. */
export function packRow(shard: string, last: number, records: readonly NewRecord[]): RowContent {
  const [only] = records;
  if (records.length === 1 && only !== undefined) {
    const { hash, bytes } = only;
    return { hash, crc: rowSum(shard, last, 1, hash, bytes), bytes };
  }
  const hash = new Uint8Array(records.length * RECORD_HASH_BYTES);
  let at = 0;
  for (const record of records) {
    hash.set(record.hash, at);
    at += RECORD_HASH_BYTES;
  }
  const bytes = packed(records);
  return { hash, crc: rowSum(shard, last, records.length, hash, bytes), bytes };
}

/** Undefined when it is not what `packRow` made. What comes out of a run lies in `memory`, if there is one. */
export function unpackRow(
  shard: string,
  last: number,
  { hash, crc, bytes }: { readonly hash: unknown; readonly crc: unknown; readonly bytes: unknown },
  memory?: RecordMemory,
): readonly NewRecord[] | undefined {
  // A flipped bit can make a text of what were bytes.
  if (!(hash instanceof Uint8Array) || !(bytes instanceof Uint8Array)) return undefined;
  const count = recordsIn(hash);
  if (crc !== rowSum(shard, last, count, hash, bytes)) return undefined;
  if (count === 1) return [{ hash, bytes }];
  return unpacked(hash, bytes, count, memory);
}

/** The same in SQL is `length(hash) / 32`. */
export function recordsIn(hash: Uint8Array): number {
  return hash.length / RECORD_HASH_BYTES;
}

function rowSum(shard: string, last: number, count: number, hash: Uint8Array, bytes: Uint8Array): number {
  const place = count === 1 ? `${last}` : `${last - count + 1}-${last}`;
  return crc32(bytes, crc32(hash, crc32(`${shard}\0${place}\0`)));
}

/** Holds a run while it is compressed: what is handed out is always a copy. */
const scratch = Buffer.allocUnsafeSlow(1 + MAX_PACKED_BYTES);

function packed(records: readonly NewRecord[]): Uint8Array {
  let at = 1;
  for (const { bytes } of records) at = scratch.writeUInt32LE(bytes.length, at);
  for (const { bytes } of records) {
    scratch.set(bytes, at);
    at += bytes.length;
  }
  const plain = scratch.subarray(1, at);
  const compressed = plain.length < MIN_COMPRESSED_BYTES ? plain : compressor.compress(plain);
  if (compressed.length >= plain.length) {
    scratch[0] = PLAIN;
    return new Uint8Array(scratch.subarray(0, at));
  }
  const bytes = new Uint8Array(1 + compressed.length);
  bytes[0] = ZSTD;
  bytes.set(compressed, 1);
  return bytes;
}

function unpacked(
  hash: Uint8Array,
  bytes: Uint8Array,
  count: number,
  memory: RecordMemory | undefined,
): readonly NewRecord[] | undefined {
  const content = contentOf(bytes, memory);
  if (content === undefined || content.length < count * LENGTH_BYTES) return undefined;
  const records: NewRecord[] = [];
  let at = count * LENGTH_BYTES;
  for (let index = 0; index < count; index++) {
    const end = at + content.readUInt32LE(index * LENGTH_BYTES);
    records.push({
      hash: hash.subarray(index * RECORD_HASH_BYTES, (index + 1) * RECORD_HASH_BYTES),
      bytes: content.subarray(at, end),
    });
    at = end;
  }
  return at === content.length ? records : undefined;
}

function contentOf(bytes: Uint8Array, memory: RecordMemory | undefined): Buffer | undefined {
  const rest = bytes.subarray(1);
  if (bytes[0] === PLAIN) return Buffer.from(rest.buffer, rest.byteOffset, rest.length);
  if (bytes[0] !== ZSTD) return undefined;
  try {
    // What comes in several pieces is put together once more; with a byte to spare it ends in the first.
    const content = zstdDecompressSync(rest, {
      maxOutputLength: MAX_PACKED_BYTES,
      chunkSize: contentBytes(rest) + 1,
    });
    return memory === undefined ? content : movedTo(memory, content);
  } catch {
    return undefined;
  }
}

function movedTo(memory: RecordMemory, content: Buffer): Buffer {
  const taken = memory.take(content.length);
  taken.set(content);
  // At once: left to the garbage collector, what lies outside of V8's own heap makes it look through all of that every 64 MB, which
  // costs more than the copy. A smaller one may be part of Node's pool.
  if (content.length > Buffer.poolSize && content.buffer instanceof ArrayBuffer) content.buffer.transfer(0);
  return Buffer.from(taken.buffer, taken.byteOffset, taken.length);
}

/** What the frame's head says will come out of it (RFC 8878, 3.1.1.1.4), within what can: only how fast it is read depends on it. */
function contentBytes(frame: Uint8Array): number {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  const flags = view.getUint8(4);
  const at = (flags & SINGLE_SEGMENT) === 0 ? 6 : 5;
  const told = flags >> 6 === 1 ? view.getUint16(at, true) + 256 : view.getUint32(at, true);
  return Math.min(Math.max(told, MIN_COMPRESSED_BYTES), MAX_PACKED_BYTES);
}
