/**
 * Checks an execution receipt: with nothing but the file, and better with the node's key and a trust document. Every
 * reason to refuse it is given, the first one being the place that was changed, as near as it can be told.
 *
 * V1. The file is canonical, so there is one file for one receipt, and no byte of it is free.
 * V2. Records follow from `anchor` to the signed head; each turn's event is there and is the one its record names.
 * V3. Each image that ran is whole (its hash is made of the files listed), and its build receipt is one of those files.
 * V4. Of a receipt that can be run again: the files of each image are the ones listed, and the state before the range is
 *     the one that a record of the range names, chunk by chunk.
 * V5. The node's key signed the head and the whole receipt. Whose key that is, only `key` can say.
 */
import { canonicalJson, type ExecutionReceipt, parseExecutionReceipt } from "@vnes/schemas";
import type { LedgerRecord } from "../ledger/record.ts";
import type { Digest } from "../ports/digest.ts";
import { type BuildCheck, buildRefusals } from "./build-check.ts";
import { readRecords } from "./chain-check.ts";
import { eventRefusals } from "./event-check.ts";
import { turnHashes } from "./hashes.ts";
import { refusal, type Refusal } from "./refusal.ts";
import { type SignatureCheck, signatureRefusals } from "./signature-check.ts";
import { snapshotRefusals } from "./snapshot-check.ts";

export type ReceiptVerdict =
  | { readonly ok: true; readonly receipt: ExecutionReceipt; readonly turns: number }
  | { readonly ok: false; readonly refusals: readonly Refusal[] };

export interface VerifyReceiptOptions extends BuildCheck, SignatureCheck {}

export function verifyExecutionReceipt(file: Uint8Array, options: VerifyReceiptOptions): ReceiptVerdict {
  const parsed = parseExecutionReceipt(file);
  if (!parsed.ok) {
    const refusals = parsed.problems.map(({ pointer, message }) => refusal("UNREADABLE", pointer, message));
    return { ok: false, refusals };
  }
  const receipt = parsed.value;
  if (!isCanonical(file, receipt))
    return { ok: false, refusals: [refusal("UNREADABLE", "", "it is not in canonical form")] };
  const { records, refusals: ofChain } = readRecords(receipt, options.digest);
  const refusals = [
    ...ofChain,
    ...(ofChain.length > 0 ? [] : eventRefusals(receipt, records, options.digest)),
    ...(ofChain.length > 0 ? [] : hashRefusals(receipt, records, options.digest)),
    ...(ofChain.length > 0 ? [] : buildRefusals(receipt, records, options)),
    ...(ofChain.length > 0 ? [] : snapshotRefusals(receipt, records, options.digest)),
    ...signatureRefusals(receipt, options),
  ];
  if (refusals.length > 0) return { ok: false, refusals };
  return { ok: true, receipt, turns: records.filter(({ kind }) => kind === "turn").length };
}

const LINE_FEED = 0x0a;

/** V1. */
function isCanonical(file: Uint8Array, receipt: ExecutionReceipt): boolean {
  const bytes = canonicalJson(receipt);
  if (file.length !== bytes.length + 1 || file[bytes.length] !== LINE_FEED) return false;
  return bytes.every((byte, index) => byte === file[index]);
}

function hashRefusals(
  { input_hash: input, output_hash: output, transformations }: ExecutionReceipt,
  records: readonly LedgerRecord[],
  digest: Digest,
): readonly Refusal[] {
  const are = turnHashes(records, digest);
  const refusals: Refusal[] = [];
  if (input !== are.input) refusals.push(refusal("HASH_WRONG", "/input_hash", "the records give another"));
  if (output !== are.output) refusals.push(refusal("HASH_WRONG", "/output_hash", "the records give another"));
  const [step] = transformations;
  if (step?.input_hash !== input || step.output_hash !== output)
    refusals.push(refusal("HASH_WRONG", "/transformations/0", "it differs from input_hash and output_hash"));
  return refusals;
}
