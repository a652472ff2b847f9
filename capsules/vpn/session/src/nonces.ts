/**
 * The answers a session has given, by nonce, so that a request that arrives twice is decided once. The memory is
 * bounded; what fell out of it carries an epoch the session has left behind, or was a rejection and is judged again.
 */
import type { Outcome } from "@vnes/vpn-common";
import { isAnswerTo, packAnswer, unpackAnswer } from "./record.ts";

export type RecordedAnswer = { readonly nonce: string; readonly answer: Outcome };

/** A client waits for one answer at a time; three more are for copies that come late, over other paths. */
export const RECORDED_ANSWERS = 4;

/** `recorded`: as the session's record keeps them. */
export function recall(recorded: readonly string[], sessionId: string, nonce: string): Outcome | undefined {
  const found = recorded.find((one) => isAnswerTo(one, nonce));
  return found === undefined ? undefined : { ...unpackAnswer(found, sessionId).answer, repeated: true };
}

export function remember(recorded: readonly string[], nonce: string, answer: Outcome): readonly string[] {
  const packed = packAnswer({ nonce, answer });
  return recorded.length < RECORDED_ANSWERS
    ? [...recorded, packed]
    : [...recorded.slice(1 - RECORDED_ANSWERS), packed];
}
