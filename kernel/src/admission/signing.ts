/** The bytes that signatures cover. Whoever signs and whoever verifies ask here, so they cannot differ. */
import { canonicalJson, type Receipt, type TrustDocument } from "@vnes/schemas";

/** The canonical receipt without `signature` and `signatures`. */
export function receiptSigningBytes(receipt: Receipt): Uint8Array {
  const { signature: _, signatures: __, ...signed } = receipt;
  return canonicalJson(signed);
}

/** The canonical trust document without `signatures`. */
export function trustSigningBytes(document: TrustDocument): Uint8Array {
  const { signatures: _, ...signed } = document;
  return canonicalJson(signed);
}
