/** The public half of a key as a file: its owner hands it out, and who trusts it reads it. */
import { parsePublicKey, type PublicKeyDocument } from "@vnes/schemas";
import { registryErrors } from "./errors.ts";
import { keyIdOf, type PublicKey } from "./key-file.ts";

/** Many times what the document takes. */
export const PUBLIC_KEY_FILE_MAX_BYTES = 4_096;

export function publicKeyDocument({ keyId, publicKey }: PublicKey): PublicKeyDocument {
  return { schema_version: "v1", key_id: keyId, algorithm: "ed25519", public_key: publicKey };
}

/** Throws `KEY_PUBLIC_FILE_BROKEN`, also for a key that another id was put on. `file` is for the message. */
export function readPublicKey(file: string, bytes: Uint8Array): PublicKey {
  const broken = (reason: string): Error => registryErrors.create("KEY_PUBLIC_FILE_BROKEN", { file, reason });
  const parsed = parsePublicKey(bytes);
  if (!parsed.ok) {
    if (parsed.problems.some(({ pointer }) => pointer.startsWith("/private_key")))
      throw broken("it holds a private key, which nobody but its owner may have");
    const { pointer, message } = parsed.problems[0] ?? { pointer: "", message: "it cannot be understood" };
    throw broken(`${pointer || "/"} ${message}`);
  }
  const { key_id: keyId, public_key: publicKey } = parsed.value;
  const raw = Buffer.from(publicKey, "base64");
  // One text per key: the last character of base64 has bits that say nothing.
  if (raw.toString("base64") !== publicKey) throw broken("its key is not written as base64 is");
  const is = keyIdOf(raw);
  if (is !== keyId) throw broken(`its key is ${is} and not ${keyId}`);
  return { keyId, publicKey };
}
