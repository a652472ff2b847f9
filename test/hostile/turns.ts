/** Deliveries as a kernel makes them, and how the turn of one ended. */
import assert from "node:assert/strict";
import type { SandboxInstance } from "@vnes/kernel";
import { isVnesError, type Json, type TurnRequest, type TurnResult } from "@vnes/schemas";
import { KeyTable } from "@vnes/sdk/testing";

/** A turn that is still asking by then asks for ever. */
const MAX_ROUNDS = 2_000;

export interface End {
  /** `done`, the code of the failure, or the host's death. */
  readonly how: string;
  /** Of a turn that ended well. */
  readonly answer: Json;
}

let turns = 0;

/** Call `h.<method>` without input. */
export function call(method: string): TurnRequest {
  const turn = ++turns;
  const delivery = {
    kind: "call",
    callId: `c${turn}`,
    capability: "h",
    method,
    input: null,
    caller: "x",
    deadlineAt: 0,
  } as const;
  return { turn, at: 1_700_000_000_000, seed: "0123456789abcdef", delivery };
}

/** Keys are given as a kernel gives them. */
export async function endOf(instance: SandboxInstance, request: TurnRequest): Promise<End> {
  const keys = new KeyTable();
  let asked = request;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    let result: TurnResult;
    try {
      [result] = (await instance.deliver([asked])) as [TurnResult];
    } catch (error) {
      return isVnesError(error)
        ? { how: error.code, answer: null }
        : assert.fail(`not a coded error: ${String(error)}`);
    }
    if (result.kind === "failed") return { how: result.code, answer: null };
    if (result.kind === "done") {
      const answer = result.effects.find((effect) => effect.do === "answer")?.answer;
      return { how: "done", answer: answer?.ok === true ? answer.value : null };
    }
    asked = keys.serve(asked, result);
  }
  return { how: "asks for ever", answer: null };
}
