/**
 * `identity`: the node's long-term X25519 key, in a file that only its user may read, made at first use. The secret stays
 * in this process: it is on no command line, in no message and in no log.
 */
import { createPrivateKey, type KeyObject, randomBytes } from "node:crypto";
import {
  chmodSync,
  closeSync,
  fstatSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import type { IdentityPower } from "@vnes/sdk/driver";
import { DeviceFault } from "../fault.ts";
import { keyAgreement, X25519_BYTES, x25519Secret } from "./x25519.ts";

export function openIdentity(file: string): IdentityPower {
  const secret = readSecret(file) ?? createSecret(file);
  return keyAgreement(secret);
}

function readSecret(file: string): KeyObject | null {
  let handle: number;
  try {
    handle = openSync(file, "r");
  } catch (cause) {
    if ((cause as { code?: string }).code === "ENOENT") return null;
    throw new DeviceFault("DEVICE_KEY_UNREADABLE", { file, reason: String((cause as Error).message) });
  }
  try {
    const mode = fstatSync(handle).mode & 0o777;
    if ((mode & 0o077) !== 0) {
      throw new DeviceFault("DEVICE_KEY_PERMISSIONS", { file, mode: mode.toString(8) });
    }
    return parseSecret(file, readFileSync(handle, "utf8"));
  } finally {
    closeSync(handle);
  }
}

function parseSecret(file: string, pem: string): KeyObject {
  try {
    const secret = createPrivateKey(pem);
    if (secret.asymmetricKeyType === "x25519") return secret;
  } catch {
    // What the parser has to say could quote the key.
  }
  throw new DeviceFault("DEVICE_KEY_UNREADABLE", { file, reason: "not an X25519 key in PKCS#8 PEM" });
}

/** Whole or not at all: a crash in between leaves a file nobody reads. If another process was first, its key is taken. */
function createSecret(file: string): KeyObject {
  const directory = dirname(file);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  chmodSync(directory, 0o700);
  const secret = x25519Secret(randomBytes(X25519_BYTES));
  const temporary = `${file}.${randomBytes(6).toString("hex")}`;
  const handle = openSync(temporary, "wx", 0o600);
  try {
    writeSync(handle, secret.export({ type: "pkcs8", format: "pem" }) as string);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  try {
    linkSync(temporary, file);
    return secret;
  } catch (cause) {
    const other = (cause as { code?: string }).code === "EEXIST" ? readSecret(file) : null;
    if (other === null) throw cause;
    return other;
  } finally {
    unlinkSync(temporary);
  }
}
