/**
 * A row of a chunk: its bytes, compressed where that makes them smaller. A chunk is looked for by the hash of what was put,
 * so how it lies in the file is nobody else's business.
 *
 * C1. `plain` is how many bytes come out, 0 for bytes that stand as they are: a file from before version 5 has only those.
 * C2. `crc` is CRC-32 over the shard's name, the chunk's, `plain` unless it is 0, and the bytes as they are stored.
 */
import { crc32, zstdDecompressSync } from "node:zlib";
import { MAX_CHUNK_BYTES } from "@vnes/kernel";
import { compressor } from "./compressor.ts";

/** Compressing fewer costs more than writing them. */
const MIN_COMPRESSED_BYTES = 8_192;

/** What stands in the columns `plain`, `crc` and `bytes`. */
export interface ChunkContent {
  readonly plain: number;
  readonly crc: number;
  readonly bytes: Uint8Array;
}

export function packChunk(shard: string, name: string, chunk: Uint8Array): ChunkContent {
  const compressed = chunk.length < MIN_COMPRESSED_BYTES ? chunk : compressor.compress(chunk);
  const isSmaller = compressed.length < chunk.length;
  const [plain, bytes] = isSmaller ? [chunk.length, new Uint8Array(compressed)] : [0, chunk];
  return { plain, crc: chunkSum(shard, name, plain, bytes), bytes };
}

/** Undefined when it is not what `packChunk` made. */
export function unpackChunk(
  shard: string,
  name: string,
  { plain, crc, bytes }: { readonly [Column in keyof ChunkContent]: unknown },
): Uint8Array | undefined {
  // A flipped bit can make a text or a fraction of what was something else.
  if (!(bytes instanceof Uint8Array) || !isLength(plain)) return undefined;
  if (crc !== chunkSum(shard, name, plain, bytes)) return undefined;
  if (plain === 0) return bytes;
  try {
    // With a byte to spare it ends in the first piece.
    const chunk = zstdDecompressSync(bytes, { maxOutputLength: plain + 1, chunkSize: plain + 1 });
    return chunk.length === plain ? chunk : undefined;
  } catch {
    return undefined;
  }
}

function isLength(plain: unknown): plain is number {
  return Number.isInteger(plain) && (plain as number) >= 0 && (plain as number) <= MAX_CHUNK_BYTES;
}

function chunkSum(shard: string, name: string, plain: number, bytes: Uint8Array): number {
  return crc32(bytes, crc32(plain === 0 ? `${shard}\0${name}\0` : `${shard}\0${name}\0${plain}\0`));
}
