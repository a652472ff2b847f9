/** A key pair that lasts as long as its process. */
import { createHash, generateKeyPairSync, sign } from "node:crypto";
import type { Signer } from "@vnes/kernel";

export function memorySigner(): Signer {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const raw = Buffer.from((publicKey.export({ format: "jwk" }) as { readonly x: string }).x, "base64url");
  return {
    keyId: `key_${createHash("sha256").update(raw).digest("hex").slice(0, 16)}`,
    publicKey: raw.toString("base64"),
    sign: async (bytes) => sign(null, bytes, privateKey).toString("base64"),
  };
}
