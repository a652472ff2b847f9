/** One signing key on disk: a JSON file that only its owner may read. */
import { createPrivateKey, createPublicKey, generateKeyPairSync, hash, type KeyObject } from "node:crypto";
import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import { SIGNATURE_ROLES, type SignatureRole } from "@vnes/schemas";
import { codeOf } from "./durable.ts";
import { registryErrors } from "./errors.ts";

export type KeyRole = SignatureRole | "root";
const KEY_ROLES: readonly string[] = [...SIGNATURE_ROLES, "root"];

/** What may be said about a key to anyone. */
export interface KeyInfo {
  /** `key_` and the first 16 hex digits of sha256 over the raw public key. */
  readonly keyId: string;
  readonly name: string;
  readonly roles: readonly KeyRole[];
  /** Raw 32 bytes, base64. */
  readonly publicKey: string;
  readonly createdAt: string;
}

/** What a signature is checked with. */
export type PublicKey = Pick<KeyInfo, "keyId" | "publicKey">;

export interface LoadedKey {
  readonly info: KeyInfo;
  readonly privateKey: KeyObject;
}

/** Bytes in front of the raw key in an Ed25519 SubjectPublicKeyInfo. */
const SPKI_PREFIX_BYTES = 12;

/** A new key and the text of its file. */
export function generateKey(
  name: string,
  roles: readonly KeyRole[],
  createdAt: Date,
): {
  readonly info: KeyInfo;
  readonly text: string;
} {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const info: KeyInfo = {
    ...identify(publicKey),
    name,
    roles: [...roles],
    createdAt: createdAt.toISOString(),
  };
  const text = JSON.stringify(
    {
      schema_version: "v1",
      key_id: info.keyId,
      name,
      roles,
      algorithm: "ed25519",
      created_at: info.createdAt,
      public_key: info.publicKey,
      private_key_pkcs8: privateKey.export({ type: "pkcs8", format: "der" }).toString("base64"),
    },
    null,
    2,
  );
  return { info, text: `${text}\n` };
}

/** Refuses a file that others could have read or changed, before a byte of it is used. */
export function loadKey(file: string): LoadedKey {
  let descriptor: number;
  try {
    descriptor = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (cause) {
    throw broken(file, codeOf(cause), cause);
  }
  try {
    const stat = fstatSync(descriptor);
    assertPrivate(file, stat.mode, stat.uid);
    return parseKey(file, readFileSync(descriptor, "utf8"));
  } finally {
    closeSync(descriptor);
  }
}

/** Rights of group or others, or another owner, throw `KEY_FILE_PERMISSIONS`. */
export function assertPrivate(file: string, mode: number, owner: number): void {
  const self = process.getuid?.() ?? owner;
  if ((mode & 0o077) === 0 && owner === self) return;
  throw registryErrors.create("KEY_FILE_PERMISSIONS", {
    file,
    mode: (mode & 0o777).toString(8).padStart(4, "0"),
    owner,
  });
}

function parseKey(file: string, text: string): LoadedKey {
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(text) as Record<string, unknown>;
  } catch {
    // The parser's own message quotes the text, and the text is a secret.
    throw broken(file, "it is not JSON");
  }
  if (typeof value !== "object" || value === null) throw broken(file, "it is not an object");
  const { key_id: keyId, name, roles, created_at: createdAt, public_key: publicKey } = value;
  const secret = value["private_key_pkcs8"];
  if (typeof name !== "string" || typeof createdAt !== "string" || typeof secret !== "string") {
    throw broken(file, "a field is missing");
  }
  if (!Array.isArray(roles) || !roles.every((role) => KEY_ROLES.includes(role))) {
    throw broken(file, "its roles are unknown");
  }
  let privateKey: KeyObject;
  try {
    privateKey = createPrivateKey({ key: Buffer.from(secret, "base64"), format: "der", type: "pkcs8" });
  } catch {
    throw broken(file, "its private key cannot be read");
  }
  if (privateKey.asymmetricKeyType !== "ed25519") throw broken(file, "its key is not Ed25519");
  const identity = identify(createPublicKey(privateKey));
  if (identity.keyId !== keyId || identity.publicKey !== publicKey) {
    throw broken(file, "its private key belongs to another public key");
  }
  return { info: { ...identity, name, roles: roles as KeyRole[], createdAt }, privateKey };
}

function identify(publicKey: KeyObject): PublicKey {
  const raw = publicKey.export({ type: "spki", format: "der" }).subarray(SPKI_PREFIX_BYTES);
  return { keyId: keyIdOf(raw), publicKey: raw.toString("base64") };
}

/** `raw`: the 32 bytes of a public key. */
export function keyIdOf(raw: Uint8Array): string {
  return `key_${hash("sha256", raw, "hex").slice(0, 16)}`;
}

function broken(file: string, reason: string, cause?: unknown): Error {
  return registryErrors.create("KEY_FILE_BROKEN", { file, reason }, cause);
}
