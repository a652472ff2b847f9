/**
 * One end of an opened channel: seals what leaves, opens what arrives.
 *
 * S1. A nonce is used once: the counter rises by one with each frame and stops for good at its limit.
 * S2. What was not sealed by the other end, for this direction of this channel, is not opened.
 * S3. The replay window is asked after authentication and accepts a frame at most once.
 */
import type { CryptoPower } from "@vnes/sdk/driver";
import { concat, decodeFrame, encodeFrame, frameNonce, MAX_COUNTER } from "./wire.ts";
import { createReplayWindow } from "./window.ts";

export interface Sealed {
  /** Null when the counter is used up: the channel must close. */
  seal(kind: number, payload: Uint8Array): Uint8Array | null;
  open(message: Uint8Array): Opened | SealedDrop;
}

export interface Opened {
  readonly kind: number;
  readonly payload: Uint8Array;
}

export type SealedDrop = "frameCounterExhausted" | "frameForged" | "frameReplayed";

export interface SealedOptions {
  readonly crypto: CryptoPower;
  readonly sendKey: Uint8Array;
  readonly receiveKey: Uint8Array;
  /** The index the other end knows its end by. */
  readonly theirIndex: number;
  readonly maxCounter?: number;
}

export function createSealed(options: SealedOptions): Sealed {
  const { crypto, maxCounter = MAX_COUNTER } = options;
  const window = createReplayWindow();
  let next = 0;
  return {
    seal(kind, payload) {
      if (next >= maxCounter) return null;
      const counter = next++;
      const box = crypto.seal(concat(Uint8Array.of(kind), payload), frameNonce(counter), options.sendKey);
      return encodeFrame(options.theirIndex, counter, box);
    },
    open(message) {
      const { counter, box } = decodeFrame(message);
      if (counter >= maxCounter) return "frameCounterExhausted";
      const plain = crypto.open(box, frameNonce(counter), options.receiveKey);
      if (plain === null) return "frameForged";
      if (!window.accept(counter)) return "frameReplayed";
      return { kind: plain[0] ?? 0, payload: plain.subarray(1) };
    },
  };
}
