/** Trust, applied: is this document the one to go by, and does this signature count for this capsule. */
import {
  type GovernanceTier,
  instantOf,
  type Receipt,
  SIGNATURE_ROLES,
  type SignatureRole,
  type TrustDocument,
  type TrustKey,
  type TrustZone,
} from "@vnes/schemas";
import type { SignatureVerifier } from "../ports/digest.ts";
import { admissionReason } from "./errors.ts";
import { receiptSigningBytes, trustSigningBytes } from "./signing.ts";
import type { Reason } from "./verdict.ts";

export interface TrustRoot {
  readonly key_id: string;
  /** Raw 32 bytes, base64. */
  readonly public_key: string;
}

/** By role: keys, each once. */
type Signers = ReadonlyMap<SignatureRole, Set<string>>;

/** Every reason not to go by this document; none when it may be used. */
export function verifyTrust(
  document: TrustDocument,
  roots: readonly TrustRoot[],
  lastSeenVersion: number,
  verifier: SignatureVerifier,
): readonly Reason[] {
  const reasons: Reason[] = [];
  const file = "trust.json";
  if (document.version < lastSeenVersion) {
    const details = { version: document.version, seen: lastSeenVersion };
    reasons.push(admissionReason("TRUST_ROLLED_BACK", details, { file, pointer: "/version" }));
  }
  const bytes = trustSigningBytes(document);
  const signed = document.signatures.some(({ key_id, value }) => {
    const root = roots.find((one) => one.key_id === key_id);
    return root !== undefined && verifier.verify(root.public_key, bytes, value);
  });
  if (!signed) reasons.push(admissionReason("TRUST_SIGNATURE_INVALID", {}, { file, pointer: "/signatures" }));
  return reasons;
}

/** What the signatures are for. */
export interface Subject {
  readonly id: string;
  readonly tier: GovernanceTier;
  readonly zone: TrustZone;
  /** The tenant it says it belongs to. */
  readonly owner: string | undefined;
}

/** Every reason why the receipt's signatures are not enough for the subject. */
export function signatureReasons(
  receipt: Receipt,
  subject: Subject,
  trust: TrustDocument,
  now: number,
  verifier: SignatureVerifier,
): readonly Reason[] {
  const bytes = receiptSigningBytes(receipt);
  const reasons: Reason[] = [];
  const perRole = (): Signers => new Map(SIGNATURE_ROLES.map((role) => [role, new Set()]));
  const valid = perRole();
  const foreign = perRole();
  const refused = perRole();
  receipt.signatures.forEach((signature, index) => {
    const { role, key_id: key, value } = signature;
    const place = { file: "receipt.stunir.json", pointer: `/signatures/${index}` };
    const found = trust.keys.find((one) => one.key_id === key);
    if (found === undefined) {
      foreign.get(role)?.add(key);
      reasons.push(admissionReason("SIGNATURE_KEY_UNKNOWN", { key, role, id: subject.id }, place));
      return;
    }
    const against = keyReasons(found, role, subject, now, place);
    if (against.length > 0) refused.get(role)?.add(key);
    if (!verifier.verify(found.public_key, bytes, value)) {
      against.push(admissionReason("SIGNATURE_INVALID", { key, role }, place));
    }
    // Counted by the key itself: one key listed under two ids is one signer.
    if (against.length === 0) valid.get(role)?.add(found.public_key);
    reasons.push(...against);
  });
  return [...reasons, ...thresholdReasons({ valid, foreign, refused }, subject, trust)];
}

function keyReasons(
  key: TrustKey,
  role: SignatureRole,
  { id, tier, zone, owner }: Subject,
  now: number,
  place: { readonly file: string; readonly pointer: string },
): Reason[] {
  const reasons: Reason[] = [];
  const name = key.key_id;
  if (key.revoked !== undefined) {
    const { at: when, reason } = key.revoked;
    reasons.push(admissionReason("SIGNATURE_KEY_REVOKED", { key: name, role, when, reason }, place));
  }
  if (instantOf(key.valid_until) <= now) {
    reasons.push(admissionReason("SIGNATURE_KEY_EXPIRED", { key: name, role, when: key.valid_until }, place));
  }
  if (instantOf(key.valid_from) > now) {
    reasons.push(
      admissionReason("SIGNATURE_KEY_NOT_YET_VALID", { key: name, role, when: key.valid_from }, place),
    );
  }
  if (!key.roles.includes(role))
    reasons.push(admissionReason("SIGNATURE_KEY_ROLE", { key: name, role }, place));
  if (!key.namespaces.some((pattern) => matchesId(pattern, id))) {
    reasons.push(admissionReason("SIGNATURE_KEY_NAMESPACE", { key: name, id }, place));
  }
  if (!key.tiers.includes(tier))
    reasons.push(admissionReason("SIGNATURE_KEY_TIER", { key: name, tier, id }, place));
  if (!key.zones.includes(zone))
    reasons.push(admissionReason("SIGNATURE_KEY_ZONE", { key: name, zone, id }, place));
  if (owner !== undefined && key.owners?.includes(owner) === false)
    reasons.push(admissionReason("SIGNATURE_KEY_OWNER", { key: name, owner, id }, place));
  return reasons;
}

function thresholdReasons(
  {
    valid,
    foreign,
    refused,
  }: { readonly valid: Signers; readonly foreign: Signers; readonly refused: Signers },
  { id, tier }: Subject,
  trust: TrustDocument,
): readonly Reason[] {
  const thresholds = trust.thresholds[tier] ?? { build: 1 };
  return SIGNATURE_ROLES.flatMap((role) => {
    const needed = thresholds[role] ?? 0;
    const count = valid.get(role)?.size ?? 0;
    if (count >= needed) return [];
    const place = { file: "receipt.stunir.json", pointer: "/signatures" };
    // What is signed by a key that may not is not mended by the same key, nor by another one beside it.
    const next =
      role === "build" && refused.get(role)?.size !== 0
        ? "build with a key that may, which drops that signature: vnes capsule build <dir> --key <name>"
        : `vnes capsule sign <dir> --role ${role}`;
    const details = { tier, role, needed, valid: count, next };
    const keys = [...(foreign.get(role) ?? [])].join(", ");
    // A signature that is missing is made; one by a stranger stays a reason beside any other.
    return keys === ""
      ? [admissionReason("SIGNATURE_THRESHOLD", details, place)]
      : [admissionReason("SIGNATURE_THRESHOLD_FOREIGN", { ...details, keys, id }, place)];
  });
}

/** `*` all, `a.b.*` everything under `a.b.`, otherwise exact. */
export function matchesId(pattern: string, id: string): boolean {
  if (pattern === "*") return true;
  return pattern.endsWith(".*") ? id.startsWith(pattern.slice(0, -1)) : pattern === id;
}
