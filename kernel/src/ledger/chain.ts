/** The hash chain of a shard: each record's hash covers the one before it, so no record can be changed, dropped or moved. */
import type { Digest } from "../ports/digest.ts";
import { kernelErrors } from "../errors.ts";

const encoder = new TextEncoder();

/** The hash "before" the first record: sha256 over the shard's name, so that records cannot move between shards. */
export function genesisHash(shard: string, digest: Digest): Uint8Array {
  return digest.sha256(encoder.encode(`vnes.ledger.v1\0${shard}`));
}

export function chainHash(previous: Uint8Array, bytes: Uint8Array, digest: Digest): Uint8Array {
  return digest.sha256(previous, bytes);
}

/** Throws `LEDGER_HASH_WRONG` unless `stored` follows from `previous` and `bytes`. */
export function assertChain(
  shard: string,
  seq: number,
  previous: Uint8Array,
  bytes: Uint8Array,
  stored: Uint8Array,
  digest: Digest,
): Uint8Array {
  const expected = chainHash(previous, bytes, digest);
  if (!sameBytes(expected, stored)) throw kernelErrors.create("LEDGER_HASH_WRONG", { shard, seq });
  return expected;
}

const HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

export function hex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += HEX[byte] as string;
  return text;
}

/** The bytes `hex` wrote down. */
export function fromHex(text: string): Uint8Array {
  return Uint8Array.from({ length: text.length / 2 }, (_, index) =>
    Number.parseInt(text.slice(2 * index, 2 * index + 2), 16),
  );
}

/** For every record that is read back: a callback a byte would cost more than the hash. */
function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false;
  return true;
}
