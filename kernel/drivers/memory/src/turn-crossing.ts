/**
 * Batches of turns and their results on their way across, by the members that nearly all of them have: an object written down
 * with its members takes a third of the time of one that is filled member by member. What has others goes by `copyAcross`.
 *
 * T1. What comes out equals what `copyAcross` makes of it, and shares nothing with what went in. Of these few objects, which kernel and
 *     sdk write down themselves, members are all that is looked at: asking for a prototype is a call into V8, seven for each turn.
 */
import type { Delivery, Effect, Json, TurnRequest, TurnResult } from "@vnes/schemas";
import { copyAcross } from "./crossing.ts";

type Call = Extract<Delivery, { kind: "call" }>;
type Done = Extract<TurnResult, { kind: "done" }>;
type Write = Extract<Effect, { do: "write" }>;
type AnswerEffect = Extract<Effect, { do: "answer" }>;

const REQUEST = ["turn", "at", "seed", "delivery"];
const CALL = ["kind", "callId", "capability", "method", "input", "caller", "deadlineAt"];
const DONE = ["turn", "kind", "effects"];
const WRITE = ["do", "key", "value"];
const ANSWER_EFFECT = ["do", "callId", "answer"];
const ANSWER = ["ok", "value"];

export function copyRequests(batch: readonly TurnRequest[]): readonly TurnRequest[] {
  return batch.map(copiedRequest);
}

export function copyResults(results: readonly TurnResult[]): readonly TurnResult[] {
  return results.map(copiedResult);
}

function copiedRequest(request: TurnRequest): TurnRequest {
  if (!hasOnly(request, REQUEST)) return copyAcross(request);
  const { turn, at, seed, delivery } = request;
  return {
    turn: copyAcross(turn),
    at: copyAcross(at),
    seed,
    delivery: delivery.kind === "call" ? copiedCall(delivery) : copyAcross(delivery),
  };
}

function copiedCall(call: Call): Call {
  if (!hasOnly(call, CALL)) return copyAcross(call);
  const { kind, callId, capability, method, caller, deadlineAt } = call;
  const input = copyAcross<unknown>(call.input) as Json | undefined;
  if (input === undefined) return copyAcross(call);
  return { kind, callId, capability, method, input, caller, deadlineAt: copyAcross(deadlineAt) };
}

function copiedResult(result: TurnResult): TurnResult {
  if (result.kind !== "done" || !hasOnly(result, DONE)) return copyAcross(result);
  const { turn, kind, effects }: Done = result;
  return { turn: copyAcross(turn), kind, effects: effects.map(copiedEffect) };
}

function copiedEffect(effect: Effect): Effect {
  if (effect.do === "write" && hasOnly(effect, WRITE)) return copiedWrite(effect);
  if (effect.do === "answer" && hasOnly(effect, ANSWER_EFFECT)) return copiedAnswer(effect);
  return copyAcross(effect);
}

function copiedWrite(effect: Write): Write {
  const value = copyAcross<unknown>(effect.value) as Json | undefined;
  return value === undefined ? copyAcross(effect) : { do: effect.do, key: effect.key, value };
}

function copiedAnswer(effect: AnswerEffect): AnswerEffect {
  const { callId, answer } = effect;
  if (!answer.ok || !hasOnly(answer, ANSWER)) return copyAcross(effect);
  const value = copyAcross<unknown>(answer.value) as Json | undefined;
  // JSON leaves out a member that is nothing.
  return value === undefined ? copyAcross(effect) : { do: effect.do, callId, answer: { ok: true, value } };
}

/** These members, in this order. */
function hasOnly(value: object, members: readonly string[]): boolean {
  let count = 0;
  for (const name in value) if (name !== members[count++]) return false;
  return count === members.length;
}
