/**
 * Results as an isolate gave them, judged before anybody sees them: they are whatever a capsule managed to make of them.
 * What passes here has the shape of `TurnResult` (`result-shape.ts`). A long text is judged in steps, because turns of all capsules wait
 * meanwhile (`steps.ts`).
 */
import { type TurnRequest, type TurnResult, turnErrors } from "@vnes/schemas";
import { JsonRefused, parseInPieces, type Whole } from "./json-pieces.ts";
import { atMostBytes, isValue, LEVELS_AROUND, MAX_DEPTH, resultProblem } from "./result-shape.ts";
import type { Steps } from "./steps.ts";

/** Values in one piece: many times the densest turn. Reading them is what a text costs, and nobody has judged it yet. */
const MOST_VALUES = 1_000_000;
/** In one result: ten thousand effects have half as many. */
const MOST_NESTED = 65_536;
/** A part that is no longer is read at once, a millisecond at most whatever it holds. */
export const AT_ONCE_BYTES: number = 32 * 1024;
/** Whoever writes every character as an escape takes six bytes for two, or for four twelve. */
const LONGEST_SPELLING = 3;
/** No isolate says a longer one, of a key that it asks for. */
const LEAST_LONGEST_TEXT = 2 * 1024 * 1024;

export interface Judged {
  readonly results: readonly TurnResult[];
  /** What was wrong with the first result that was refused; the turns behind it count as not run. */
  readonly invalid?: string;
}

/** What of a request its result is held against. */
export type JudgedRequest = Pick<TurnRequest, "turn" | "keys" | "ranges">;

/** `text`: lines, each the JSON of some results. */
export function* parseResults(
  text: Buffer,
  requests: readonly JudgedRequest[],
  effectBytes: number,
): Steps<Judged> {
  const judged = yield* parsePiece(text, requests, effectBytes, undefined);
  const isWhole = judged.invalid !== undefined || judged.results.length === requests.length;
  return isWhole ? judged : refused(judged.results, requests, "fewer results than turns");
}

/** Results that come in pieces: those of the first of `requests`; `before` is the last one of the piece before. */
export function* parsePiece(
  text: Buffer,
  requests: readonly JudgedRequest[],
  effectBytes: number,
  before: TurnResult | undefined,
): Steps<Judged> {
  const results: TurnResult[] = [];
  const refuse = (reason: string): Judged => refused(results, requests, reason);
  let parts = 0;
  for (const part of partsOf(text)) {
    parts += 1;
    if (parts > requests.length) return refuse("more parts than turns");
    const isLong = part.length > AT_ONCE_BYTES;
    let read: Whole;
    let stopped: string | undefined;
    try {
      read = isLong ? yield* longPart(part, effectBytes) : { value: JSON.parse(part.toString()), sizeOf };
    } catch (cause) {
      if (!(cause instanceof JsonRefused)) return refuse("not JSON");
      read = { value: cause.before, sizeOf };
      stopped = cause.message;
    }
    if (!Array.isArray(read.value)) return refuse("not a list of results");
    // No effects are longer than all that came, though a number may be written in a sixth of its digits (1e20).
    const mayBeTooLarge = 6 * part.length > effectBytes;
    for (const result of read.value as unknown[]) {
      const request = requests[results.length];
      if (request === undefined) return { results, invalid: "more results than turns" };
      // One that was read in pieces was looked at meanwhile.
      const isChecked = typeof result === "object" && result !== null && read.sizeOf(result) !== undefined;
      const problem = resultProblem(result, request.turn, isChecked);
      if (problem !== undefined) return refuse(problem);
      const judged = result as TurnResult;
      const misplaced = orderProblem(judged, results.at(-1) ?? before, request);
      if (misplaced !== undefined) return refuse(misplaced);
      if (mayBeTooLarge && judged.kind === "done") {
        const size = effectSize(judged.effects, read, effectBytes);
        if (size > effectBytes) return refuse(`effects of ${size} bytes, at most ${effectBytes}`);
      }
      results.push(judged);
      if (isLong) yield;
    }
    if (stopped !== undefined) return refuse(stopped);
    yield;
  }
  return { results };
}

/** Its values are checked while it is read. Throws `JsonRefused`, and `SyntaxError`. */
function longPart(part: Buffer, effectBytes: number): Steps<Whole> {
  return parseInPieces(part, {
    mostValues: MOST_VALUES,
    mostNested: MOST_NESTED,
    deepest: MAX_DEPTH + LEVELS_AROUND,
    longestText: Math.max(LEAST_LONGEST_TEXT, LONGEST_SPELLING * effectBytes),
    isAccepted: (run, level) => isValue(run, level - LEVELS_AROUND),
  });
}

/** Of a part that was read at once nobody knows. */
const sizeOf = (): undefined => undefined;

/** Exactly, unless it surely is no more than `most`. */
function effectSize(effects: readonly unknown[], read: Whole, most: number): number {
  const known = read.sizeOf(effects);
  if (known !== undefined) return known;
  const atMost = atMostBytes(effects);
  return atMost <= most ? atMost : Buffer.byteLength(JSON.stringify(effects));
}

/** The turn behind `results` is the one to blame, and what is behind it was not run. */
export function refused(
  results: readonly TurnResult[],
  requests: readonly JudgedRequest[],
  invalid: string,
): Judged {
  const [failed, ...rest] = requests.slice(results.length);
  const blamed = failed === undefined ? [] : [invalidResult(failed.turn, invalid)];
  return { results: [...results, ...blamed, ...rest.map(notRun)], invalid };
}

/** Rule 2 of the port, for a turn behind one that stopped it. */
export function notRun({ turn }: { readonly turn: number }): TurnResult {
  return { turn, kind: "needKeys", keys: [], ranges: [] };
}

const LINE_FEED = 0x0a;
const OPENING = 0x5b;
const COMMA = 0x2c;
const CLOSING = 0x5d;

/** One after the other: who is refused after the first pays for no more. JSON leaves no raw line feed in what it writes. */
function* partsOf(text: Buffer): IterableIterator<Buffer> {
  for (let start = 0, end = 0; start < text.length; start = end + 1) {
    end = text.indexOf(LINE_FEED, start);
    if (end < 0) end = text.length;
    yield text.subarray(start, end);
  }
}

/** Whether these are the expected results and nothing else: what equals a judged result needs no judging. */
export function isAsExpected(text: Buffer, expected: Uint8Array): boolean {
  if (text.equals(expected)) return true;
  // In several parts it is longer: a bracket, a line feed and a bracket stand for each comma.
  if (text.length <= expected.length) return false;
  let at = 0;
  for (const part of partsOf(text)) {
    const end = at + part.length - 1;
    if (part.length < 2 || end >= expected.length) return false;
    if (expected[at] !== (at === 0 ? OPENING : COMMA)) return false;
    if (part[0] !== OPENING || part.at(-1) !== CLOSING) return false;
    if (part.compare(expected, at + 1, end, 1, part.length - 1) !== 0) return false;
    at = end;
  }
  return at === expected.length - 1 && expected[at] === CLOSING;
}

/** Rule 2 of the port; and a turn that asks for nothing new would be delivered again for ever. */
function orderProblem(
  result: TurnResult,
  before: TurnResult | undefined,
  { keys = [], ranges = [] }: JudgedRequest,
): string | undefined {
  if (result.kind !== "needKeys")
    return before?.kind === "needKeys" ? "a turn ran behind one that did not end" : undefined;
  const asksNothing = result.keys.length === 0 && result.ranges.length === 0;
  // Not run: behind one that needs keys, one that was interrupted, or more results than leave at once. What it names is a guess.
  if (before?.kind === "needKeys") return undefined;
  if (asksNothing) return before === undefined ? "needKeys that names none" : undefined;
  const given = new Set(keys.map(([key]) => key));
  const isNew =
    result.keys.some((key) => !given.has(key)) ||
    result.ranges.some((prefix) => !ranges.some((known) => prefix.startsWith(known)));
  return isNew ? undefined : "needKeys for keys that it was given";
}

export function invalidResult(turn: number, reason: string): TurnResult {
  const { code, message } = turnErrors.create("SANDBOX_ANSWER_INVALID", { reason });
  return { turn, kind: "failed", code, message };
}
