/** `receipt.stunir.json`: what was built from what, by which tool, signed by whom. Schema: `schemas/receipt.schema.json`. */
import type { JsonObject } from "./json.ts";
import type { DeterminismTier } from "./manifest.ts";

/** `sha256:` and 64 lower-case hex digits. */
export type Sha256 = `sha256:${string}`;

export const SIGNATURE_ROLES = ["build", "deployment", "review"] as const;
export type SignatureRole = (typeof SIGNATURE_ROLES)[number];

export interface ReceiptSignature {
  readonly key_id: string;
  /** Ed25519 over the canonical receipt (RFC 8785) without `signature` and `signatures`; base64. */
  readonly value: string;
}

export interface Receipt {
  readonly version: string;
  /** RFC 3339 date-time. */
  readonly timestamp: string;
  readonly capsule: { readonly id: string; readonly version: string };
  readonly determinism_tier: DeterminismTier;
  /** Tree hash over manifest.json, spec/ and src/. */
  readonly input_hash: Sha256;
  /** Tree hash over impl/. */
  readonly output_hash: Sha256;
  readonly parts: {
    readonly manifest: Sha256;
    readonly spec: Sha256;
    readonly src: Sha256;
    readonly impl: Sha256;
  };
  /** One hash a file, so that a mismatch can be told by name: path to sha256 of its content. */
  readonly files: { readonly [path: string]: Sha256 };
  readonly transformations: readonly {
    readonly step: string;
    readonly tool: string;
    readonly input_hash: Sha256;
    readonly output_hash: Sha256;
  }[];
  readonly toolchain: JsonObject;
  readonly environment: JsonObject;
  /** Repeats the build signature. */
  readonly signature: ReceiptSignature;
  readonly signatures: readonly (ReceiptSignature & { readonly role: SignatureRole })[];
}
