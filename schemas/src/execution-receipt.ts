/** What a shard did, in one file that is checked without the node. Schema: `schemas/execution-receipt.schema.json`. */
import type { JsonObject } from "./json.ts";
import type { DeterminismTier } from "./manifest.ts";
import type { ReceiptSignature, Sha256 } from "./receipt.ts";

export const EXECUTION_RECEIPT_VERSION = "1.0";

/** A node's word that a shard's record has this hash. */
export interface SignedHead extends ReceiptSignature {
  readonly node: string;
  readonly shard: string;
  readonly seq: number;
  /** Hex of the record's chain hash, which covers every record before it. */
  readonly hash: string;
  /** Node time in milliseconds. */
  readonly at: number;
}

export interface ReceiptRecord {
  readonly seq: number;
  /** Hex. */
  readonly hash: string;
  /** The record as it was hashed. */
  readonly bytes: string;
}

export interface ReceiptEvent extends ReceiptRecord {
  readonly shard: string;
  /** Hex of the chain hash of the record before it. */
  readonly before: string;
}

export interface ReceiptBuild {
  readonly image: Sha256;
  readonly files: readonly {
    readonly path: string;
    readonly executable: boolean;
    readonly size: number;
    readonly sha256: Sha256;
    /** The file itself, base64; in a receipt that can be run again. */
    readonly bytes?: string;
  }[];
  /** Text of `manifest.json`. */
  readonly manifest: string;
  /** Text of `receipt.stunir.json`. */
  readonly receipt: string;
  readonly receipt_hash: Sha256;
}

/** The shard's state before the range, of a receipt that can be run again and does not begin with the first record. */
export interface ReceiptSnapshot {
  /** Of the record in the range that names the chunks. */
  readonly seq: number;
  readonly chunks: readonly {
    readonly name: string;
    /** The chunk's text; sha256 of it is its name. */
    readonly bytes: string;
  }[];
}

export interface ExecutionReceipt {
  readonly version: typeof EXECUTION_RECEIPT_VERSION;
  /** RFC 3339 date-time. */
  readonly timestamp: string;
  readonly kind: "execution";
  readonly node: string;
  readonly capsule: { readonly id: string; readonly version: string };
  readonly determinism_tier: DeterminismTier;
  readonly shard: string;
  readonly range: { readonly from: number; readonly to: number };
  /** Image that ran before the range. */
  readonly image: Sha256 | null;
  /** Hex of the chain hash of the record before the range. */
  readonly anchor: string;
  readonly input_hash: Sha256;
  readonly output_hash: Sha256;
  readonly transformations: readonly {
    readonly step: string;
    readonly tool: string;
    readonly input_hash: Sha256;
    readonly output_hash: Sha256;
  }[];
  readonly records: readonly ReceiptRecord[];
  readonly events: readonly ReceiptEvent[];
  readonly builds: readonly ReceiptBuild[];
  readonly snapshot?: ReceiptSnapshot;
  readonly toolchain: JsonObject;
  readonly environment: JsonObject;
  readonly head: SignedHead;
  /** Raw 32 bytes, base64. */
  readonly public_key: string;
  /** Over the canonical receipt without this field. */
  readonly signature: ReceiptSignature;
}
