/** X25519 with raw 32-byte keys over node:crypto, which wants them wrapped (RFC 8410). */
import { createPrivateKey, createPublicKey, diffieHellman, type KeyObject } from "node:crypto";
import type { KeyAgreement } from "@vnes/sdk/driver";

const SPKI_HEAD = Buffer.from("302a300506032b656e032100", "hex");
const PKCS8_HEAD = Buffer.from("302e020100300506032b656e04220420", "hex");
export const X25519_BYTES = 32;

export function x25519Secret(raw: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.concat([PKCS8_HEAD, raw]), format: "der", type: "pkcs8" });
}

export function keyAgreement(secret: KeyObject): KeyAgreement {
  const spki = createPublicKey(secret).export({ type: "spki", format: "der" });
  return {
    publicKey: new Uint8Array(spki.subarray(SPKI_HEAD.length)),
    agree(peerPublic) {
      if (peerPublic.length !== X25519_BYTES) return null;
      const key = Buffer.concat([SPKI_HEAD, peerPublic]);
      try {
        const publicKey = createPublicKey({ key, format: "der", type: "spki" });
        return new Uint8Array(diffieHellman({ privateKey: secret, publicKey }));
      } catch {
        // OpenSSL refuses the points whose shared secret would be zero whatever the other secret is.
        return null;
      }
    },
  };
}
