/**
 * The answers a session has given, by nonce, so that a request that arrives twice is decided once. The memory is
 * bounded; what fell out of it carries an epoch the session has left behind, or was a rejection and is judged again.
 */
import type { Outcome } from "@vnes/vpn-common";
import { unknownTo } from "./outcome.ts";

export type RecordedAnswer = { readonly nonce: string; readonly answer: Outcome };

/** A client waits for one answer at a time; three more are for copies that come late, over other paths. */
export const RECORDED_ANSWERS = 4;

export function recall(recorded: readonly RecordedAnswer[], nonce: string): Outcome | undefined {
  const found = recorded.find((one) => one.nonce === nonce);
  if (found === undefined) return undefined;
  // An answer that an earlier version recorded lacks what it did not know.
  return { ...unknownTo("SESSION_UNKNOWN", "reattach"), ...found.answer, repeated: true };
}

export function remember(
  recorded: readonly RecordedAnswer[],
  nonce: string,
  answer: Outcome,
): readonly RecordedAnswer[] {
  return [...recorded, { nonce, answer }].slice(-RECORDED_ANSWERS);
}
