/** `crypto.channel`: the primitives of sealed channels. X25519 and SHA-256 by node:crypto, secretbox by tweetnacl. */
import { createHash, hash, hkdfSync, randomBytes, timingSafeEqual } from "node:crypto";
import type { CryptoPower } from "@vnes/sdk/driver";
import nacl from "tweetnacl";
import { keyAgreement, X25519_BYTES, x25519Secret } from "./x25519.ts";

export const channelCrypto: CryptoPower = {
  random: (length) => new Uint8Array(randomBytes(length)),
  sha256(...chunks) {
    const only = chunks.length === 1 ? chunks[0] : undefined;
    if (only) return new Uint8Array(hash("sha256", only, "buffer"));
    const sum = createHash("sha256");
    for (const chunk of chunks) sum.update(chunk);
    return new Uint8Array(sum.digest());
  },
  hkdf: (secret, salt, info, length) => new Uint8Array(hkdfSync("sha256", secret, salt, info, length)),
  equal: (a, b) => a.length === b.length && timingSafeEqual(a, b),
  seal: (plain, nonce, key) => nacl.secretbox(plain, nonce, key),
  open: (box, nonce, key) => nacl.secretbox.open(box, nonce, key),
  keyPair() {
    const secretKey = new Uint8Array(randomBytes(X25519_BYTES));
    return { ...keyAgreement(x25519Secret(secretKey)), secretKey };
  },
  keyPairFrom: (secretKey) => keyAgreement(x25519Secret(secretKey)),
};
