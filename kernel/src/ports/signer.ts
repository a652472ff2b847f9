/** The node's own key: what it signs is the node's word. The private key stays with the driver. */
export interface Signer {
  /** `key_` and the first 16 hex digits of sha256 over the raw public key. */
  readonly keyId: string;
  /** Raw 32 bytes, base64. */
  readonly publicKey: string;
  /** Ed25519, base64. */
  sign(bytes: Uint8Array): Promise<string>;
}
