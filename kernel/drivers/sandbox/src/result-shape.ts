/**
 * What a result looks like: the shape of `TurnResult` and nothing besides, within bounds. The text it came as has been read; what it says
 * has not been believed.
 */
import { type Effect, turnErrors } from "@vnes/schemas";

/** Deeper values end the stack of whoever walks them. Values have a level for the effect they stand in. */
export const MAX_DEPTH = 72;
/** List, result, effects, effect, answer: what may stand around a value. */
export const LEVELS_AROUND = 5;
const MAX_MESSAGE = 4_000;
const MAX_PLACE = 200;
const MAX_LOGS = 160;
/** Of what goes with one line, reckoned high (`atMostBytes`); the sdks keep it below 16 KiB of JSON. */
const MAX_LOG_DATA = 262_144;
/** A turn that asks for more at once reads a range instead. */
const MAX_NEEDED = 65_536;
/** Each is a look at every key of the shard. */
const MAX_RANGES = 64;
const LEVELS: ReadonlySet<unknown> = new Set(["debug", "info", "warn", "error"]);

/** Why it is no result of that turn. `isChecked`: what it holds is known to be values (`isValue`). */
export function resultProblem(result: unknown, turn: number, isChecked: boolean): string | undefined {
  if (!isObject(result)) return "a result is no object";
  if (result["turn"] !== turn) return "a result of another turn";
  switch (result["kind"]) {
    case "done":
      return doneProblem(result, isChecked);
    case "needKeys":
      return hasOnly(result, 4) && isTexts(result["keys"]) && isTexts(result["ranges"], MAX_RANGES)
        ? undefined
        : "needKeys without lists of keys and ranges";
    case "failed": {
      const { code, message, place } = result as { code?: unknown; message?: unknown; place?: unknown };
      const known = typeof code === "string" && Object.hasOwn(turnErrors.entries, code);
      const isWhole = hasOnly(result, 4, ["place"]);
      if (!known || typeof message !== "string" || message.length > MAX_MESSAGE || !isWhole)
        return "a failure without one of the known codes and a message";
      const isPlace = place === undefined || (isText(place) && place.length <= MAX_PLACE);
      return isPlace ? undefined : "a failure at a place that is none";
    }
    default:
      return "a result of unknown kind";
  }
}

function doneProblem(result: { readonly [name: string]: unknown }, isChecked: boolean): string | undefined {
  const { effects, logs } = result as { effects?: unknown; logs?: unknown };
  if (!Array.isArray(effects)) return "done without a list of effects";
  for (const effect of effects as unknown[]) {
    if (!isEffect(effect, isChecked)) return "an effect that is none of the known ones";
  }
  if (logs === undefined) return hasOnly(result, 3) ? undefined : "done with unknown members";
  if (!hasOnly(result, 4) || !Array.isArray(logs) || logs.length > MAX_LOGS) return "logs that are no lines";
  return (logs as unknown[]).every((line) => isLogLine(line, isChecked))
    ? undefined
    : "a log line that is none";
}

function isEffect(effect: unknown, isChecked: boolean): boolean {
  if (!isObject(effect)) return false;
  const it = effect as { [name in string]: unknown } & { readonly do?: Effect["do"] };
  switch (it.do) {
    case "write":
      return (
        hasOnly(it, 3, ["expect", "ttlMs"]) &&
        isText(it["key"]) &&
        (isChecked || isValue(it["value"], 0)) &&
        isExpected(it["expect"]) &&
        (it["ttlMs"] === undefined || isPositive(it["ttlMs"]))
      );
    case "delete":
      return hasOnly(it, 2, ["expect"]) && isText(it["key"]) && isExpected(it["expect"]);
    case "publish":
      return (
        hasOnly(it, 4) && isText(it["topic"]) && isText(it["key"]) && (isChecked || isValue(it["event"], 0))
      );
    case "call":
      return (
        hasOnly(it, 7) &&
        isText(it["tag"]) &&
        isText(it["capability"]) &&
        isText(it["method"]) &&
        (isChecked || isValue(it["input"], 0)) &&
        (isChecked || isValue(it["context"], 0)) &&
        Number.isSafeInteger(it["timeoutMs"])
      );
    case "read":
      return isRead(it, isChecked);
    case "answer":
      return hasOnly(it, 3) && isText(it["callId"]) && isAnswer(it["answer"], isChecked);
    case "setTimer":
      return (
        hasOnly(it, 4) &&
        isText(it["id"]) &&
        Number.isSafeInteger(it["at"]) &&
        (isChecked || isValue(it["payload"], 0))
      );
    case "cancelTimer":
      return hasOnly(it, 2) && isText(it["id"]);
    default:
      return false;
  }
}

function isRead(it: { readonly [name: string]: unknown }, isChecked: boolean): boolean {
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
    (isChecked || isValue(it["context"], 0)) &&
    Number.isSafeInteger(it["timeoutMs"])
  );
}

function isAnswer(answer: unknown, isChecked: boolean): boolean {
  if (!isObject(answer)) return false;
  if (answer["ok"] === true) return hasOnly(answer, 2) && (isChecked || isValue(answer["value"], 0));
  if (answer["ok"] !== false || !isText(answer["code"]) || !isText(answer["message"])) return false;
  if (answer["details"] === undefined) return hasOnly(answer, 3);
  return hasOnly(answer, 4) && (isChecked || isValue(answer["details"], 0));
}

function isLogLine(line: unknown, isChecked: boolean): boolean {
  if (!isObject(line) || !LEVELS.has(line["level"]) || !isText(line["message"])) return false;
  if (line["message"].length > MAX_MESSAGE) return false;
  if (line["data"] === undefined) return hasOnly(line, 2);
  return (
    hasOnly(line, 3) && (isChecked || isValue(line["data"], 0)) && atMostBytes(line["data"]) <= MAX_LOG_DATA
  );
}

/** JSON as the kernel keeps it. `JSON.parse` has made it, so it is a tree of plain values. */
export function isValue(value: unknown, depth: number): boolean {
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
export function atMostBytes(value: unknown): number {
  if (typeof value === "string") return value.length * 6 + 3;
  if (typeof value !== "object" || value === null) return 26;
  let bytes = 3;
  if (Array.isArray(value)) for (const member of value) bytes += atMostBytes(member);
  else
    for (const key of Object.keys(value))
      bytes += key.length * 6 + 3 + atMostBytes((value as { readonly [name: string]: unknown })[key]);
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
