/**
 * The bytes of one ledger message, version 1. Pure.
 *
 * A message is a head and a body. The bodies of `parts` messages in a row make one batch; a batch is entries one after
 * another. All numbers are little-endian; the checksum is over the head without itself and the body.
 *
 *   head   u8 version, u8 0, u16 part, u16 parts, 8 bytes boot, u48 number, u32 crc32
 *   entry  u8 kind, u16 length of shard, shard, u48 seq, then for `append` and `carry`: u16 count, records
 *   record u8 flags (1: snapshot), 32 bytes hash, u32 length, bytes
 */
import { crc32 } from "node:zlib";
import { type NewRecord, RECORD_HASH_BYTES } from "@vnes/kernel";

export const HEAD_BYTES = 24;
const VERSION = 1;
const CRC_AT = 20;
const RECORD_OVERHEAD_BYTES: number = 1 + RECORD_HASH_BYTES + 4;
const ENTRY_OVERHEAD_BYTES: number = 1 + 2 + 6 + 2;
const SNAPSHOT_FLAG = 1;

/**
 * `append`: new records from `seq` on. `carry`: records that were there, stated again so that older messages can go.
 * `trim`: records below `seq` are dropped.
 */
export type Entry =
  | {
      readonly kind: "append" | "carry";
      readonly shard: string;
      readonly seq: number;
      readonly records: readonly NewRecord[];
    }
  | { readonly kind: "trim"; readonly shard: string; readonly seq: number };

export interface Head {
  /** From 0. */
  readonly part: number;
  readonly parts: number;
  /** Of the writer's claim: 16 hexadecimal digits. */
  readonly boot: string;
  /** Counts the messages of a claim from 1. */
  readonly number: number;
}

export interface Frame extends Head {
  readonly body: Uint8Array;
}

const KINDS = ["append", "carry", "trim"] as const;

/** Bytes an append adds to a batch, for deciding what still fits. */
export function appendSize(shard: string, records: readonly NewRecord[]): number {
  let size = ENTRY_OVERHEAD_BYTES + shard.length * 3;
  for (const { bytes } of records) size += RECORD_OVERHEAD_BYTES + bytes.length;
  return size;
}

export function encodeEntries(entries: readonly Entry[]): Uint8Array {
  const names = entries.map(({ shard }) => Buffer.from(shard));
  let size = 0;
  entries.forEach((entry, index) => {
    size += 9 + (names[index] as Buffer).length;
    if (entry.kind === "trim") return;
    size += 2;
    for (const { bytes } of entry.records) size += RECORD_OVERHEAD_BYTES + bytes.length;
  });
  const out = Buffer.allocUnsafe(size);
  let at = 0;
  entries.forEach((entry, index) => {
    const name = names[index] as Buffer;
    at = out.writeUInt8(KINDS.indexOf(entry.kind), at);
    at = out.writeUInt16LE(name.length, at);
    at += name.copy(out, at);
    at = out.writeUIntLE(entry.seq, at, 6);
    if (entry.kind === "trim") return;
    at = out.writeUInt16LE(entry.records.length, at);
    for (const { bytes, hash, snapshot } of entry.records) {
      at = out.writeUInt8(snapshot === true ? SNAPSHOT_FLAG : 0, at);
      out.set(hash, at);
      at = out.writeUInt32LE(bytes.length, at + RECORD_HASH_BYTES);
      out.set(bytes, at);
      at += bytes.length;
    }
  });
  return out;
}

/** Undefined when the bytes are not entries. The records are views of `body`. */
export function decodeEntries(body: Uint8Array): readonly Entry[] | undefined {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.length);
  const entries: Entry[] = [];
  let at = 0;
  const take = (count: number): number => {
    const from = at;
    at += count;
    if (at > bytes.length) throw new RangeError("cut short");
    return from;
  };
  try {
    while (at < bytes.length) {
      const kind = KINDS[bytes.readUInt8(take(1))];
      if (kind === undefined) return undefined;
      const length = bytes.readUInt16LE(take(2));
      const from = take(length);
      const shard = bytes.toString("utf8", from, from + length);
      const seq = bytes.readUIntLE(take(6), 6);
      if (kind === "trim") {
        entries.push({ kind, shard, seq });
        continue;
      }
      const count = bytes.readUInt16LE(take(2));
      const records: NewRecord[] = [];
      for (let index = 0; index < count; index++) {
        const flags = bytes.readUInt8(take(1));
        const hash = bytes.subarray(take(RECORD_HASH_BYTES), at);
        const size = bytes.readUInt32LE(take(4));
        const record = { hash, bytes: bytes.subarray(take(size), at) };
        records.push((flags & SNAPSHOT_FLAG) === 0 ? record : { ...record, snapshot: true });
      }
      entries.push({ kind, shard, seq, records });
    }
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
  return entries;
}

/** Bodies of at most `limit` bytes that make the batch; at least one. */
export function cutBody(body: Uint8Array, limit: number): readonly Uint8Array[] {
  if (body.length <= limit) return [body];
  const parts: Uint8Array[] = [];
  for (let at = 0; at < body.length; at += limit) parts.push(body.subarray(at, at + limit));
  return parts;
}

export function encodeFrame({ part, parts, boot, number, body }: Frame): Uint8Array {
  const out = Buffer.allocUnsafe(HEAD_BYTES + body.length);
  out.writeUInt8(VERSION, 0);
  out.writeUInt8(0, 1);
  out.writeUInt16LE(part, 2);
  out.writeUInt16LE(parts, 4);
  out.write(boot, 6, "hex");
  out.writeUIntLE(number, 14, 6);
  out.set(body, HEAD_BYTES);
  out.writeUInt32LE(checksum(out), CRC_AT);
  return out;
}

/** What is wrong with the bytes when they are no frame. `body` is a view of `data`. */
export function decodeFrame(data: Uint8Array): Frame | string {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.length);
  if (bytes.length < HEAD_BYTES) return "it is cut short";
  const version = bytes.readUInt8(0);
  if (version !== VERSION) return `its format is ${version}, and ${VERSION} is known`;
  if (bytes.readUInt32LE(CRC_AT) !== checksum(bytes)) return "its bytes changed";
  return {
    part: bytes.readUInt16LE(2),
    parts: bytes.readUInt16LE(4),
    boot: bytes.toString("hex", 6, 14),
    number: bytes.readUIntLE(14, 6),
    body: data.subarray(HEAD_BYTES),
  };
}

function checksum(bytes: Buffer): number {
  return crc32(bytes.subarray(HEAD_BYTES), crc32(bytes.subarray(0, CRC_AT)));
}
