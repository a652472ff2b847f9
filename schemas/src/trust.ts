/** `trust.json`: whose signatures count, for what, and until when. Schema: `schemas/trust.schema.json`. */
import type { GovernanceTier, TrustZone } from "./manifest.ts";
import type { ReceiptSignature, SignatureRole } from "./receipt.ts";

export interface TrustKey {
  /** `key_` and the first 16 hex digits of sha256 over the raw public key. */
  readonly key_id: string;
  readonly algorithm: "ed25519";
  /** Raw 32 bytes, base64. */
  readonly public_key: string;
  readonly roles: readonly SignatureRole[];
  /** Capsule ids this key may sign for: exact, or a prefix ending in `.*`; `*` for all. */
  readonly namespaces: readonly string[];
  readonly tiers: readonly GovernanceTier[];
  readonly zones: readonly TrustZone[];
  /** Tenants (`governance.owner`) it may sign for; absent: any. A capsule without an owner is a tenant of its own and needs none. */
  readonly owners?: readonly string[];
  readonly valid_from: string;
  readonly valid_until: string;
  readonly revoked?: { readonly at: string; readonly reason: string };
}

export interface TrustDocument {
  readonly schema_version: "v1";
  /** Rises by at least one with every change; an older one than was seen before is refused. */
  readonly version: number;
  readonly issued_at: string;
  readonly keys: readonly TrustKey[];
  /** Distinct keys needed a role, by tier; a tier that is absent needs one `build`. */
  readonly thresholds: { readonly [tier in GovernanceTier]?: { readonly [role in SignatureRole]?: number } };
  /** By a trust root, over the canonical document without `signatures`. */
  readonly signatures: readonly ReceiptSignature[];
}
