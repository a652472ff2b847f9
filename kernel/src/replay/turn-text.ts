/**
 * A recorded turn as text: its bytes in the ledger are JSON already, so what a sandbox is sent and what it is expected to say
 * are cut out of them, and nothing is read and written again.
 *
 * T1. A cut is made only of a record that stands as `encodeRecord` writes a turn that ended well and whose input is given
 *     by value. Of any other there is none, and it is decoded.
 * T2. What is cut is byte for byte what JSON.stringify makes of the decoded record. Bytes that only look like a record at the
 *     few places that are looked at make a text that is no request: its turn fails, and a turn that fails is looked at again.
 */
import type { TextBuffer } from "./text-buffer.ts";

/** Places in the bytes of a record. */
export interface TurnCut {
  /** Behind the digits of `seq`. */
  readonly seqEnd: number;
  /** Of `"input"`. */
  readonly input: number;
  /** Of `"delivery"`, and behind its value. */
  readonly delivery: number;
  readonly deliveryEnd: number;
  /** Of `"effects"`, and behind its value. */
  readonly effects: number;
  readonly effectsEnd: number;
}

const HEAD = `{"v":1,"kind":"turn","seq":`;
const INPUT = `"input":{`;
const DELIVERY = `"delivery":`;
const OUTCOME = `,"outcome":`;
/** With what closes the delivery and the input. */
const ENDED_WELL = `}},"outcome":"ok","effects":[`;
const EFFECTS = `"effects":[`;

/** Up to the delivery: nothing in it can hold anything but what stands here. Digits are counted apart: each bound in here is a counter. */
const UP_TO_DELIVERY =
  /\{"v":1,"kind":"turn","seq":[1-9]\d*,"at":\d+,"seed":"[0-9a-f]*","input":\{"from":"(?:timer",|(?:effect","shard":"[\w./:@-]+","seq":\d+,"index":\d+|kernel"|control"|device"|ephemeral"),"depth":\d+,)"delivery":(?=\{)/y;
/** From behind the effects to the end; short enough to look for it in the last few bytes. */
const BEHIND_EFFECTS = /^\],"released":\d{1,16}\}$/;
const MAX_BEHIND = 32;
const AT = `,"at":`;
/** Of a time: longer ones may be written in another way than they stand. */
const MAX_DIGITS = 15;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** Undefined when the record does not stand as T1 says. */
export function cutTurn(bytes: Uint8Array, seq: number): TurnCut | undefined {
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    return undefined;
  }
  UP_TO_DELIVERY.lastIndex = 0;
  if (!UP_TO_DELIVERY.test(text) || !text.startsWith(`${seq},`, HEAD.length)) return undefined;
  const behindHead = UP_TO_DELIVERY.lastIndex;
  const seqEnd = text.indexOf(",", HEAD.length);
  if (text.indexOf(",", seqEnd + 1) - seqEnd > AT.length + MAX_DIGITS) return undefined;
  // A raw quote begins or ends a string, so this is the name of a member and not its first; the record has one of that name,
  // and when there is no other it is the record's own.
  const outcome = text.indexOf(OUTCOME, behindHead);
  const ended = outcome - 2;
  if (!text.startsWith(ENDED_WELL, ended) || text.includes(OUTCOME, outcome + 1)) return undefined;
  const behind = text.lastIndexOf("]");
  if (text.length - behind > MAX_BEHIND || !BEHIND_EFFECTS.test(text.slice(behind))) return undefined;
  // Everything in front of the delivery and behind the effects is ASCII; in between a place moves by what is not.
  const moved = text.length === bytes.length ? 0 : encoder.encode(text.slice(0, ended)).length - ended;
  return {
    seqEnd,
    input: text.indexOf(INPUT, HEAD.length),
    delivery: behindHead - DELIVERY.length,
    deliveryEnd: ended + 1 + moved,
    effects: ended + ENDED_WELL.length - EFFECTS.length + moved,
    effectsEnd: bytes.length - (text.length - behind - 1),
  };
}

const TURN = encoder.encode(`{"turn":`);
const DONE = encoder.encode(`,"kind":"done",`);
const END = encoder.encode("}");

/** JSON of the `TurnRequest`. */
export function addRequest(to: TextBuffer, bytes: Uint8Array, cut: TurnCut): void {
  to.addBytes(TURN);
  to.addBytes(bytes, HEAD.length, cut.input);
  to.addBytes(bytes, cut.delivery, cut.deliveryEnd);
  to.addBytes(END);
}

/** JSON of the `TurnResult` that a turn with this end comes to, when nothing is said besides. */
export function addResult(to: TextBuffer, bytes: Uint8Array, cut: TurnCut): void {
  to.addBytes(TURN);
  to.addBytes(bytes, HEAD.length, cut.seqEnd);
  to.addBytes(DONE);
  to.addBytes(bytes, cut.effects, cut.effectsEnd);
  to.addBytes(END);
}
