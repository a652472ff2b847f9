/**
 * The first gate: one hash decides whether a handshake message deserves any work. Its key is made from the
 * responder's long-term public key, so who does not know that key gets silence (WireGuard's mac1, whitepaper 5.4.4).
 * It keeps out scanners, not those who know the key: the buckets and the cookie are for them.
 */
import type { CryptoPower } from "@vnes/sdk/driver";
import { GATE_BYTES } from "./wire.ts";

export interface Gate {
  /** Fills the last 16 bytes of a handshake message. */
  close(message: Uint8Array): void;
  passes(message: Uint8Array): boolean;
}

export function createGate(crypto: CryptoPower, label: Uint8Array, responder: Uint8Array): Gate {
  const key = crypto.sha256(label, Uint8Array.of(0x67), responder);
  const tag = (message: Uint8Array) =>
    crypto.sha256(key, message.subarray(0, message.length - GATE_BYTES)).subarray(0, GATE_BYTES);
  return {
    close: (message) => message.set(tag(message), message.length - GATE_BYTES),
    passes: (message) => crypto.equal(tag(message), message.subarray(message.length - GATE_BYTES)),
  };
}
