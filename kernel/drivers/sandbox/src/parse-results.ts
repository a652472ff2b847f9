/**
 * Results as an isolate gave them, judged before anybody sees them: they are whatever a capsule managed to make of them.
 * What passes here has the shape of `TurnResult` and nothing besides.
 */
import { type Effect, type TurnRequest, type TurnResult, turnErrors } from "@vnes/schemas";

/** Deeper values end the stack of whoever walks them. Values have a level for the effect they stand in. */
const MAX_DEPTH = 72;
const MAX_MESSAGE = 4_000;
const MAX_LOGS = 160;
/** Of what goes with one line, reckoned high (`atMostBytes`); the sdks keep it below 16 KiB of JSON. */
const MAX_LOG_DATA = 262_144;
/** Values in one piece: many times the densest turn. Reading them is what a text costs, and nobody has judged it yet. */
const MOST_VALUES = 1_000_000;
/** No shorter text has as many. */
const LEAST_BYTES_OF_MOST = 2 * MOST_VALUES;
/** A turn that asks for more at once reads a range instead. */
const MAX_NEEDED = 65_536;
/** Each is a look at every key of the shard. */
const MAX_RANGES = 64;
const LEVELS: ReadonlySet<unknown> = new Set(["debug", "info", "warn", "error"]);

export interface Judged {
  readonly results: readonly TurnResult[];
  /** What was wrong with the first result that was refused; the turns behind it count as not run. */
  readonly invalid?: string;
}

/** What of a request its result is held against. */
export type JudgedRequest = Pick<TurnRequest, "turn" | "keys" | "ranges">;

/** `text`: lines, each the JSON of some results. */
export function parseResults(text: Buffer, requests: readonly JudgedRequest[], effectBytes: number): Judged {
  const judged = parsePiece(text, requests, effectBytes, undefined);
  const isWhole = judged.invalid !== undefined || judged.results.length === requests.length;
  return isWhole ? judged : refused(judged.results, requests, "fewer results than turns");
}

/** Results that come in pieces: those of the first of `requests`; `before` is the last one of the piece before. */
export function parsePiece(
  text: Buffer,
  requests: readonly JudgedRequest[],
  effectBytes: number,
  before: TurnResult | undefined,
): Judged {
  const results: TurnResult[] = [];
  const refuse = (reason: string): Judged => refused(results, requests, reason);
  if (text.length > LEAST_BYTES_OF_MOST && hasMoreValues(text, MOST_VALUES))
    return refuse(`more than ${MOST_VALUES} values`);
  // No effects are longer than all that came, though a number may be written in a sixth of its digits (1e20).
  const mayBeTooLarge = 6 * text.length > effectBytes;
  let parts = 0;
  for (const part of partsOf(text)) {
    parts += 1;
    if (parts > requests.length) return refuse("more parts than turns");
    let parsed: unknown;
    try {
      parsed = JSON.parse(part);
    } catch {
      return refuse("not JSON");
    }
    if (!Array.isArray(parsed)) return refuse("not a list of results");
    for (const result of parsed as unknown[]) {
      const request = requests[results.length];
      if (request === undefined) return { results, invalid: "more results than turns" };
      const problem = problemOf(result, request.turn);
      if (problem !== undefined) return refuse(problem);
      const judged = result as TurnResult;
      const misplaced = orderProblem(judged, results.at(-1) ?? before, request);
      if (misplaced !== undefined) return refuse(misplaced);
      if (mayBeTooLarge && judged.kind === "done" && atMostBytes(judged.effects) > effectBytes) {
        const size = Buffer.byteLength(JSON.stringify(judged.effects));
        if (size > effectBytes) return refuse(`effects of ${size} bytes, at most ${effectBytes}`);
      }
      results.push(judged);
    }
  }
  return { results };
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

const [LINE_FEED, QUOTE, BACKSLASH, COMMA, LIST, OBJECT] = [0x0a, 0x22, 0x5c, 0x2c, 0x5b, 0x7b];

/** One after the other: who is refused after the first pays for no more. JSON leaves no raw line feed in what it writes. */
function* partsOf(text: Buffer): IterableIterator<string> {
  for (let start = 0, end = 0; start < text.length; start = end + 1) {
    end = text.indexOf(LINE_FEED, start);
    if (end < 0) end = text.length;
    yield text.toString("utf8", start, end);
  }
}

/** Without making any of them: what begins a value outside of strings is counted. */
function hasMoreValues(text: Buffer, most: number): boolean {
  let values = 0;
  let isInString = false;
  for (let at = 0; at < text.length; at++) {
    const byte = text[at];
    if (byte === QUOTE) isInString = !isInString;
    else if (isInString) at += byte === BACKSLASH ? 1 : 0;
    else if ((byte === COMMA || byte === LIST || byte === OBJECT) && ++values > most) return true;
  }
  return false;
}

/** Whether these are the expected results and nothing else: what equals a judged result needs no judging. */
export function isAsExpected(text: Buffer, expected: Uint8Array): boolean {
  if (text.equals(expected)) return true;
  // In several parts it is as long: a bracket, a line feed and a bracket stand for each comma.
  if (text.length <= expected.length) return false;
  const whole = [...partsOf(text)].map((part) => part.slice(1, -1));
  return Buffer.from(`[${whole.join(",")}]`).equals(expected);
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

function problemOf(result: unknown, turn: number): string | undefined {
  if (!isObject(result)) return "a result is no object";
  if (result["turn"] !== turn) return "a result of another turn";
  switch (result["kind"]) {
    case "done":
      return doneProblem(result);
    case "needKeys":
      return hasOnly(result, 4) && isTexts(result["keys"]) && isTexts(result["ranges"], MAX_RANGES)
        ? undefined
        : "needKeys without lists of keys and ranges";
    case "failed": {
      const { code, message } = result as { code?: unknown; message?: unknown };
      const known = typeof code === "string" && Object.hasOwn(turnErrors.entries, code);
      if (!known || typeof message !== "string" || message.length > MAX_MESSAGE || !hasOnly(result, 4)) {
        return "a failure without one of the known codes and a message";
      }
      return undefined;
    }
    default:
      return "a result of unknown kind";
  }
}

function doneProblem(result: { readonly [name: string]: unknown }): string | undefined {
  const { effects, logs } = result as { effects?: unknown; logs?: unknown };
  if (!Array.isArray(effects)) return "done without a list of effects";
  for (const effect of effects as unknown[]) {
    if (!isEffect(effect)) return "an effect that is none of the known ones";
  }
  if (logs === undefined) return hasOnly(result, 3) ? undefined : "done with unknown members";
  if (!hasOnly(result, 4) || !Array.isArray(logs) || logs.length > MAX_LOGS) return "logs that are no lines";
  return (logs as unknown[]).every(isLogLine) ? undefined : "a log line that is none";
}

function isEffect(effect: unknown): boolean {
  if (!isObject(effect)) return false;
  const it = effect as { [name in string]: unknown } & { readonly do?: Effect["do"] };
  switch (it.do) {
    case "write":
      return (
        hasOnly(it, 3, ["expect", "ttlMs"]) &&
        isText(it["key"]) &&
        isValue(it["value"], 0) &&
        isExpected(it["expect"]) &&
        (it["ttlMs"] === undefined || isPositive(it["ttlMs"]))
      );
    case "delete":
      return hasOnly(it, 2, ["expect"]) && isText(it["key"]) && isExpected(it["expect"]);
    case "publish":
      return hasOnly(it, 4) && isText(it["topic"]) && isText(it["key"]) && isValue(it["event"], 0);
    case "call":
      return (
        hasOnly(it, 7) &&
        isText(it["tag"]) &&
        isText(it["capability"]) &&
        isText(it["method"]) &&
        isValue(it["input"], 0) &&
        isValue(it["context"], 0) &&
        Number.isSafeInteger(it["timeoutMs"])
      );
    case "read":
      return isRead(it);
    case "answer":
      return hasOnly(it, 3) && isText(it["callId"]) && isAnswer(it["answer"]);
    case "setTimer":
      return (
        hasOnly(it, 4) && isText(it["id"]) && Number.isSafeInteger(it["at"]) && isValue(it["payload"], 0)
      );
    case "cancelTimer":
      return hasOnly(it, 2) && isText(it["id"]);
    default:
      return false;
  }
}

function isRead(it: { readonly [name: string]: unknown }): boolean {
  const isWhole = (value: unknown): boolean => value === undefined || Number.isSafeInteger(value);
  const isName = (value: unknown): boolean => value === undefined || isText(value);
  return (
    hasOnly(it, 5, ["shard", "keys", "prefix", "after", "limit"]) &&
    isText(it["tag"]) &&
    isText(it["capsule"]) &&
    isWhole(it["shard"]) &&
    isWhole(it["limit"]) &&
    isName(it["prefix"]) &&
    isName(it["after"]) &&
    (it["keys"] === undefined || isTexts(it["keys"])) &&
    isValue(it["context"], 0) &&
    Number.isSafeInteger(it["timeoutMs"])
  );
}

function isAnswer(answer: unknown): boolean {
  if (!isObject(answer)) return false;
  if (answer["ok"] === true) return hasOnly(answer, 2) && isValue(answer["value"], 0);
  if (answer["ok"] !== false || !isText(answer["code"]) || !isText(answer["message"])) return false;
  if (answer["details"] === undefined) return hasOnly(answer, 3);
  return hasOnly(answer, 4) && isValue(answer["details"], 0);
}

function isLogLine(line: unknown): boolean {
  if (!isObject(line) || !LEVELS.has(line["level"]) || !isText(line["message"])) return false;
  if (line["message"].length > MAX_MESSAGE) return false;
  if (line["data"] === undefined) return hasOnly(line, 2);
  return hasOnly(line, 3) && isValue(line["data"], 0) && atMostBytes(line["data"]) <= MAX_LOG_DATA;
}

/** JSON as the kernel keeps it. `JSON.parse` has made it, so it is a tree of plain values. */
function isValue(value: unknown, depth: number): boolean {
  if (typeof value === "number") return Number.isFinite(value) && !Object.is(value, -0);
  if (typeof value !== "object" || value === null) return value !== undefined;
  if (depth >= MAX_DEPTH) return false;
  if (Array.isArray(value)) return value.every((member) => isValue(member, depth + 1));
  for (const key of Object.keys(value)) {
    if (key === "__proto__" || !isValue((value as { readonly [name: string]: unknown })[key], depth + 1))
      return false;
  }
  return true;
}

/** Of the value's JSON in UTF-8; measuring exactly would write it all out. A character takes six bytes when it is escaped. */
function atMostBytes(value: unknown): number {
  if (typeof value === "string") return value.length * 6 + 3;
  if (typeof value !== "object" || value === null) return 26;
  let bytes = 3;
  if (Array.isArray(value)) for (const member of value) bytes += atMostBytes(member);
  else for (const [key, member] of Object.entries(value)) bytes += atMostBytes(key) + atMostBytes(member);
  return bytes;
}

function isObject(value: unknown): value is { readonly [name: string]: unknown } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function isTexts(value: unknown, most = MAX_NEEDED): boolean {
  return Array.isArray(value) && value.length <= most && value.every(isText);
}

/** `members`, and of the `optional` ones as many as there are. */
function hasOnly(value: object, members: number, optional: readonly string[] = NONE): boolean {
  let allowed = members;
  for (const name of optional) if (Object.hasOwn(value, name)) allowed++;
  return Object.keys(value).length === allowed;
}

const NONE: readonly string[] = [];

/** A version, null for no key, or nothing expected. */
function isExpected(value: unknown): boolean {
  return value === undefined || value === null || isPositive(value);
}

function isPositive(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) > 0;
}
