/** SHA-256 and Ed25519 as functions, so that pure code names no library. */
export interface Digest {
  /** Raw 32 bytes over the concatenation of the chunks. */
  sha256(...chunks: readonly Uint8Array[]): Uint8Array;
}

export interface SignatureVerifier {
  /** `publicKey` raw 32 bytes base64, `signature` base64. False for anything malformed. */
  verify(publicKey: string, message: Uint8Array, signature: string): boolean;
}
