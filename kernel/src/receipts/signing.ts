/** The bytes a node signs. Whoever signs and whoever verifies ask here, so they cannot differ. */
import { canonicalJson, type ExecutionReceipt, type SignedHead } from "@vnes/schemas";
import { hex } from "../ledger/chain.ts";
import type { Digest } from "../ports/digest.ts";

/** Says what the bytes are for, so that no signature of one kind passes for another. */
const HEAD = "vnes.ledger.head.v1";

export function headBytes({ node, shard, seq, hash, at }: Omit<SignedHead, "key_id" | "value">): Uint8Array {
  return canonicalJson({ type: HEAD, node, shard, seq, hash, at });
}

/** The canonical receipt without `signature`. */
export function executionReceiptBytes(receipt: ExecutionReceipt): Uint8Array {
  const { signature: _, ...signed } = receipt;
  return canonicalJson(signed);
}

/** `key_` and 16 hex digits for a raw public key in base64; undefined for what is none. */
export function keyIdOf(publicKey: string, digest: Digest): string | undefined {
  let raw: string;
  try {
    raw = atob(publicKey);
  } catch {
    return undefined;
  }
  const bytes = Uint8Array.from(raw, (char) => char.charCodeAt(0));
  return bytes.length === 32 ? `key_${hex(digest.sha256(bytes)).slice(0, 16)}` : undefined;
}
