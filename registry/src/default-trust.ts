/** Whom a fresh authority trusts: itself, with one pair of keys for the built-in capsules and one key for the user's. */
import { GOVERNANCE_TIERS, type TrustDocument, type TrustKey, TRUST_ZONES } from "@vnes/schemas";
import type { KeyInfo, PublicKey } from "./key-file.ts";

/** Ids only the distribution itself may use; everything else is the user's. */
export const BUILTIN_NAMESPACE = "vnes.*";
const YEAR_MS = 365 * 24 * 3600 * 1000;
/** A local key guards one machine and is replaced with it; a foreign one is taken back by hand. */
const KEY_YEARS = 10;
/** A clock that is set back a little after set-up must not stop the node. */
const VALID_BEFORE_MS = 24 * 3600 * 1000;

export interface LocalKeys {
  readonly builtinBuild: KeyInfo;
  readonly builtinDeployment: KeyInfo;
  readonly userBuild: KeyInfo;
}

export function defaultTrust(keys: LocalKeys, now: Date): Omit<TrustDocument, "signatures"> {
  const builtin = { namespaces: [BUILTIN_NAMESPACE], tiers: GOVERNANCE_TIERS, zones: TRUST_ZONES };
  const user = {
    namespaces: ["*"],
    tiers: ["extension", "experimental", "local"],
    zones: ["tenant", "session", "ephemeral"],
  } as const;
  return {
    schema_version: "v1",
    version: 1,
    issued_at: now.toISOString(),
    keys: [
      trustKey(keys.builtinBuild, { roles: ["build"], ...builtin }, now),
      trustKey(keys.builtinDeployment, { roles: ["deployment"], ...builtin }, now),
      trustKey(keys.userBuild, { roles: ["build"], ...user }, now),
    ],
    thresholds: { core: { build: 1, deployment: 1 } },
  };
}

export type KeyScope = Pick<TrustKey, "roles" | "namespaces" | "tiers" | "zones" | "owners">;

export function trustKey(key: PublicKey, scope: KeyScope, now: Date): TrustKey {
  return {
    key_id: key.keyId,
    algorithm: "ed25519",
    public_key: key.publicKey,
    ...scope,
    valid_from: new Date(now.getTime() - VALID_BEFORE_MS).toISOString(),
    valid_until: new Date(now.getTime() + KEY_YEARS * YEAR_MS).toISOString(),
  };
}
