/** Why a receipt cannot be made, and why one is refused. */
import { defineErrors, type ErrorTable } from "@vnes/schemas";

export type RefusalCode =
  | "EXECUTION_RECEIPT_UNREADABLE"
  | "EXECUTION_RECEIPT_CHAIN_WRONG"
  | "EXECUTION_RECEIPT_RECORD_WRONG"
  | "EXECUTION_RECEIPT_INPUT_WRONG"
  | "EXECUTION_RECEIPT_BUILD_WRONG"
  | "EXECUTION_RECEIPT_SNAPSHOT_WRONG"
  | "EXECUTION_RECEIPT_HASH_WRONG"
  | "EXECUTION_RECEIPT_HEAD_WRONG"
  | "EXECUTION_RECEIPT_SIGNATURE_WRONG"
  | "EXECUTION_RECEIPT_KEY_OTHER"
  | "EXECUTION_RECEIPT_BUILD_UNTRUSTED";

const REFUSED = {
  fault: "user",
  retry: false,
  remedy: "do not go by this file: ask the node's owner to export it again",
  exit: "integrity",
} as const;

export const executionReceiptErrors: ErrorTable<
  | RefusalCode
  | "EXECUTION_RECEIPT_NO_SIGNER"
  | "EXECUTION_RECEIPT_TOO_LARGE"
  | "EXECUTION_RECEIPT_RANGE_EMPTY"
> = defineErrors({
  EXECUTION_RECEIPT_UNREADABLE: {
    message: "{file} at {pointer} is no execution receipt: {problem}",
    ...REFUSED,
  },
  EXECUTION_RECEIPT_CHAIN_WRONG: { message: "{file} at {pointer}: {problem}", ...REFUSED },
  EXECUTION_RECEIPT_RECORD_WRONG: { message: "{file} at {pointer}: {problem}", ...REFUSED },
  EXECUTION_RECEIPT_INPUT_WRONG: { message: "{file} at {pointer}: {problem}", ...REFUSED },
  EXECUTION_RECEIPT_BUILD_WRONG: { message: "{file} at {pointer}: {problem}", ...REFUSED },
  EXECUTION_RECEIPT_SNAPSHOT_WRONG: { message: "{file} at {pointer}: {problem}", ...REFUSED },
  EXECUTION_RECEIPT_HASH_WRONG: { message: "{file} at {pointer}: {problem}", ...REFUSED },
  EXECUTION_RECEIPT_HEAD_WRONG: { message: "{file} at {pointer}: {problem}", ...REFUSED },
  EXECUTION_RECEIPT_SIGNATURE_WRONG: { message: "{file} at {pointer}: {problem}", ...REFUSED },
  EXECUTION_RECEIPT_KEY_OTHER: {
    message: "{file} is signed by another node than the one you named: {problem}",
    fault: "user",
    retry: false,
    remedy: "ask the node's owner for its key: vnes receipt export prints it",
    exit: "policy",
  },
  EXECUTION_RECEIPT_BUILD_UNTRUSTED: {
    message: "{file} at {pointer}: the trust document does not vouch for this build: {problem}",
    fault: "user",
    retry: false,
    remedy: "name the trust document that holds for it, or leave --trust out",
    exit: "policy",
  },
  EXECUTION_RECEIPT_NO_SIGNER: {
    message: "this node has no key to sign receipts with",
    fault: "user",
    retry: false,
    remedy: "boot it with vnes boot, which makes one",
    exit: "failed",
  },
  EXECUTION_RECEIPT_TOO_LARGE: {
    message:
      "a receipt of records {from} to {to} of {shard} has more than {limit} bytes (reached at record {seq})",
    fault: "user",
    retry: false,
    remedy: "export it in parts: --from {from} --to {seq}",
    exit: "usage",
  },
  EXECUTION_RECEIPT_RANGE_EMPTY: {
    message: "shard {shard} has the records {oldest} to {last}; there is nothing from {from} to {to}",
    fault: "user",
    retry: false,
    remedy: "name a range the shard has, or leave --from and --to out",
    exit: "notFound",
  },
});
