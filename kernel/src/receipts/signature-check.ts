/** V5 of `verify.ts`: the node's key signed the head and the whole receipt. */
import type { ExecutionReceipt } from "@vnes/schemas";
import type { Digest, SignatureVerifier } from "../ports/digest.ts";
import { refusal, type Refusal } from "./refusal.ts";
import { executionReceiptBytes, headBytes, keyIdOf } from "./signing.ts";

export interface SignatureCheck {
  readonly digest: Digest;
  readonly verifier: SignatureVerifier;
  /** The node's public key, raw 32 bytes base64, as its owner told it. */
  readonly key?: string;
}

export function signatureRefusals(
  receipt: ExecutionReceipt,
  { digest, verifier, key }: SignatureCheck,
): readonly Refusal[] {
  const { head, public_key: signer, signature, node } = receipt;
  const id = keyIdOf(signer, digest);
  const refusals: Refusal[] = [];
  if (signature.key_id !== id)
    refusals.push(refusal("SIGNATURE_WRONG", "/signature/key_id", "it is not that of public_key"));
  if (head.key_id !== id || head.node !== node || !verifier.verify(signer, headBytes(head), head.value))
    refusals.push(refusal("HEAD_WRONG", "/head", "the node's key did not sign it"));
  if (!verifier.verify(signer, executionReceiptBytes(receipt), signature.value))
    refusals.push(refusal("SIGNATURE_WRONG", "/signature", "the receipt is not what the node's key signed"));
  if (key !== undefined && key !== signer)
    refusals.push(refusal("KEY_OTHER", "/public_key", `${signer} signed it, not ${key}`));
  return refusals;
}
