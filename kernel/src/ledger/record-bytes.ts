/**
 * A record written straight into memory, where it is a turn for a call by value that ended well: of a busy node nearly all
 * are. Owns the order of its members, which is that of the objects the kernel and the sdk make.
 *
 * W1. What is written is byte for byte what `JSON.stringify` makes of the record: whatever is made in another way, by a
 *     member more or in another order, goes by way of it.
 */
import type { Delivery, Effect } from "@vnes/schemas";
import { constant, putBytes, putEncoded, putJson, putNumber, putText } from "./json-bytes.ts";
import type { LedgerRecord, TurnRecord } from "./record.ts";
import { Repeated } from "./repeated-bytes.ts";

type Call = Extract<Delivery, { kind: "call" }>;
type Write = Extract<Effect, { do: "write" }>;
type AnswerEffect = Extract<Effect, { do: "answer" }>;

const RECORD = ["v", "kind", "seq", "at", "seed", "input", "outcome", "effects", "released"];
const INPUT = ["from", "depth", "delivery"];
const CALL = ["kind", "callId", "capability", "method", "input", "caller", "deadlineAt"];
const WRITE = ["do", "key", "value"];
const ANSWER_EFFECT = ["do", "callId", "answer"];
const ANSWER = ["ok", "value"];

const HEAD = constant(`{"v":1,"kind":"turn","seq":`);
const WRITE_KEY = constant(`{"do":"write","key":`);
const VALUE = constant(`,"value":`);
const ANSWER_ID = constant(`{"do":"answer","callId":`);
const ANSWER_VALUE = constant(`,"answer":{"ok":true,"value":`);
const COMMA = constant(",");
const END = constant("}");
const ENDS = constant("}}");

const AT = new Repeated(`,"at":`, `,"seed":`);
const FROM = new Repeated(`,"input":{"from":`, `,"depth":`, `,"delivery":{"kind":"call","callId":`);
const METHOD = new Repeated(`,"capability":`, `,"method":`, `,"input":`);
const CALLER = new Repeated(`,"caller":`, `,"deadlineAt":`, `}},"outcome":"ok","effects":[`);
const RELEASED = new Repeated(`],"released":`, "}");

/** The place behind it; undefined when it is of another kind or there is no room for it. */
export function putRecord(memory: Uint8Array, at: number, record: LedgerRecord): number | undefined {
  if (record.kind !== "turn" || record.outcome !== "ok" || !hasOnly(record, RECORD)) return undefined;
  const { input } = record;
  if (input.from === "topic" || input.delivery.kind !== "call") return undefined;
  if (!hasOnly(input, INPUT) || !hasOnly(input.delivery, CALL)) return undefined;
  const end = putTurn(memory, at, record, input as ByValue, input.delivery);
  return end <= memory.length ? end : undefined;
}

interface ByValue {
  readonly from: string;
  readonly depth: number;
}

function putTurn(memory: Uint8Array, start: number, record: TurnRecord, input: ByValue, call: Call): number {
  let at = putNumber(memory, putBytes(memory, start, HEAD), record.seq);
  at = putText(memory, AT.put(memory, at, record.at), record.seed);
  at = putText(memory, FROM.put(memory, at, input.from, input.depth), call.callId);
  at = putJson(memory, METHOD.put(memory, at, call.capability, call.method), call.input);
  at = CALLER.put(memory, at, call.caller, call.deadlineAt);
  for (let index = 0; index < record.effects.length; index++) {
    if (index > 0) at = putBytes(memory, at, COMMA);
    at = putEffect(memory, at, record.effects[index] as Effect);
  }
  return RELEASED.put(memory, at, record.released);
}

function putEffect(memory: Uint8Array, at: number, effect: Effect): number {
  if (effect.do === "write" && hasOnly(effect, WRITE)) return putWrite(memory, at, effect);
  if (effect.do === "answer" && hasOnly(effect, ANSWER_EFFECT) && hasOnly(effect.answer, ANSWER))
    return putAnswer(memory, at, effect);
  return putEncoded(memory, at, effect);
}

function putWrite(memory: Uint8Array, start: number, { key, value }: Write): number {
  const at = putText(memory, putBytes(memory, start, WRITE_KEY), key);
  return putBytes(memory, putJson(memory, putBytes(memory, at, VALUE), value), END);
}

function putAnswer(memory: Uint8Array, start: number, { callId, answer }: AnswerEffect): number {
  if (!answer.ok) return putEncoded(memory, start, { do: "answer", callId, answer });
  const at = putText(memory, putBytes(memory, start, ANSWER_ID), callId);
  return putBytes(memory, putJson(memory, putBytes(memory, at, ANSWER_VALUE), answer.value), ENDS);
}

/** These members, in this order. */
function hasOnly(value: object, members: readonly string[]): boolean {
  let count = 0;
  for (const name in value) if (name !== members[count++]) return false;
  return count === members.length;
}
