/**
 * The answers a session has given, by nonce, so that a request that arrives twice is decided once. The memory is
 * bounded; what fell out of it carries an epoch the session has left behind, or was a rejection and is judged again.
 */
import type { Outcome } from "@vnes/vpn-common";
import { ANSWER, answerTo, packAnswer, unpackAnswer } from "./record.ts";

export type RecordedAnswer = { readonly nonce: string; readonly answer: Outcome };

/** A client waits for one answer at a time; three more are for copies that come late, over other paths. */
export const RECORDED_ANSWERS = 4;

/** `recorded`: as the session's record keeps them. */
export function recall(recorded: string, sessionId: string, nonce: string): Outcome | undefined {
  const found = answerTo(recorded, nonce);
  return found === undefined ? undefined : { ...unpackAnswer(found, sessionId).answer, repeated: true };
}

export function remember(recorded: string, nonce: string, answer: Outcome): string {
  return latest(recorded, RECORDED_ANSWERS - 1) + ANSWER + packAnswer({ nonce, answer });
}

function latest(recorded: string, count: number): string {
  let from = recorded.length;
  for (let kept = 0; kept < count && from > 0; kept++) from = recorded.lastIndexOf(ANSWER, from - 1);
  return recorded.slice(from);
}
