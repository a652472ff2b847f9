/** Deliveries as a kernel makes them, and how the turn of one ended. */
import assert from "node:assert/strict";
import type { SandboxInstance } from "@vnes/kernel";
import { isVnesError, type Json, type TurnRequest, type TurnResult } from "@vnes/schemas";
import { KeyTable } from "@vnes/sdk/testing";
import { callOf } from "../../kernel/contracts/sandbox-lab.ts";

/** A turn that is still asking by then asks for ever. */
const MAX_ROUNDS = 2_000;

export interface End {
  /** `done`, the code of the failure, or the host's death. */
  readonly how: string;
  /** Of a turn that ended well. */
  readonly answer: Json;
}

/** Call `t.<method>` without input. Its id has always the same length: modules in text find the method by its place. */
export function call(method: string): TurnRequest {
  return callOf(method);
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
