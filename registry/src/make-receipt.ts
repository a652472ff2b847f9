/** Writes the receipt of an image: what it holds, what made it, and the signatures over that. */
import { partHashes, receiptSigningBytes, treeHash } from "@vnes/kernel";
import type { CapsuleImage } from "@vnes/kernel";
import {
  DEFAULT_DETERMINISM_TIER,
  type JsonObject,
  type Manifest,
  type Receipt,
  type ReceiptSignature,
  type Sha256,
  SIGNATURE_ROLES,
  type SignatureRole,
} from "@vnes/schemas";
import type { Authority } from "./authority.ts";
import { registryErrors } from "./errors.ts";
import { RECEIPT_FILE } from "./image-layout.ts";
import type { KeyInfo } from "./key-file.ts";
import type { KeyStore } from "./key-store.ts";
import { nodeDigest } from "./node-digest.ts";

const RECEIPT_VERSION = "1.0";
const NO_SIGNATURE: ReceiptSignature = { key_id: "", value: "" };

export interface Toolchain {
  readonly step: string;
  readonly tool: string;
  readonly toolchain: JsonObject;
}

/** Unsigned. `image` holds everything but the receipt. */
export function describeImage(
  image: CapsuleImage,
  manifest: Manifest,
  { step, tool, toolchain }: Toolchain,
  now: Date,
): Receipt {
  const parts = partHashes(image, nodeDigest);
  const files: Record<string, Sha256> = {};
  for (const file of image.files) if (file.path !== RECEIPT_FILE) files[file.path] = file.sha256;
  const input = inputHash(image);
  return {
    version: RECEIPT_VERSION,
    timestamp: now.toISOString(),
    capsule: { id: manifest.id, version: manifest.version },
    determinism_tier: manifest.capabilities.determinism_tier ?? DEFAULT_DETERMINISM_TIER,
    input_hash: input,
    output_hash: parts.impl,
    parts,
    files,
    transformations: [{ step, tool, input_hash: input, output_hash: parts.impl }],
    toolchain,
    environment: { platform: process.platform, arch: process.arch },
    signature: NO_SIGNATURE,
    signatures: [],
  };
}

/** Everything a build starts from: manifest.json, spec/ and src/. */
export function inputHash(image: CapsuleImage): Sha256 {
  const inputs = image.files.filter(({ path }) => path !== RECEIPT_FILE && !path.startsWith("impl/"));
  return treeHash(
    inputs.map((file) => ({ ...file, size: file.bytes.length })),
    nodeDigest,
  );
}

/** Signs in every role the tier of the capsule asks for, with the authority's own keys; as build with `buildKey`, if one is named. */
export async function signReceipt(
  receipt: Receipt,
  manifest: Manifest,
  authority: Authority,
  buildKey?: string,
): Promise<Receipt> {
  const { thresholds } = authority.trust();
  const needed = thresholds[manifest.governance.tier] ?? { build: 1 };
  let signed = receipt;
  for (const role of SIGNATURE_ROLES) {
    if (role !== "build" && (needed[role] ?? 0) === 0) continue;
    // A role nobody here may sign is left to others; admission says that it is missing.
    const key =
      role === "build" && buildKey !== undefined
        ? await keyInRole(authority.keys, buildKey, role)
        : await authority.signer(manifest.id, role);
    if (key !== null) signed = await addSignature(signed, role, key.keyId, authority.keys);
  }
  return signed;
}

/** Rejects with `KEY_ROLE_MISSING`: a signature that nobody may count would make the capsule refused everywhere. */
export async function keyInRole(keys: KeyStore, key: string, role: SignatureRole): Promise<KeyInfo> {
  const found = await keys.find(key);
  const { name, roles } = found;
  if ((roles as readonly string[]).includes(role)) return found;
  throw registryErrors.create("KEY_ROLE_MISSING", { key: name, role, roles: roles.join(", ") });
}

/** Replaces what the same key had signed in the same role. */
export async function addSignature(
  receipt: Receipt,
  role: SignatureRole,
  key: string,
  keys: KeyStore,
): Promise<Receipt> {
  const { keyId } = await keys.find(key);
  const value = await keys.sign(keyId, receiptSigningBytes(receipt));
  const others = receipt.signatures.filter((one) => one.role !== role || one.key_id !== keyId);
  const signature = role === "build" ? { key_id: keyId, value } : receipt.signature;
  return { ...receipt, signature, signatures: [...others, { role, key_id: keyId, value }] };
}
