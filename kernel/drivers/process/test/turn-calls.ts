/** Calls as turns, for tests of capsules that provide `t`. */
import assert from "node:assert/strict";
import type { Json, TurnRequest, TurnResult } from "@vnes/schemas";

export const AT = 1_000_000_000_123;
let turn = 0;

export function call(method: string, input: Json = null, more: Partial<TurnRequest> = {}): TurnRequest {
  turn += 1;
  const delivery = {
    kind: "call",
    callId: `c${turn}`,
    capability: "t",
    method,
    input,
    caller: "x",
    deadlineAt: 0,
  } as const;
  return { turn, at: AT, seed: "0123456789abcdef", delivery, ...more };
}

/** What a call was answered. */
export function valueOf(result: TurnResult | undefined): unknown {
  assert.equal(result?.kind, "done", JSON.stringify(result));
  const effects = result?.kind === "done" ? result.effects : [];
  const answer = effects.find((effect) => effect.do === "answer")?.answer;
  return answer?.ok === true ? answer.value : answer;
}

export function told(results: readonly TurnResult[]): string[] {
  return results.map((result) => (result.kind === "failed" ? result.code : result.kind));
}
