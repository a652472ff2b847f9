/**
 * The boundary where an authenticated peer's bytes become a value for capsules. Who holds a key is known, not trusted:
 * what a later reader could stumble over (depth, `__proto__`, numbers that JSON cannot give back) is refused here.
 */
import type { BytesPower, Json, JsonObject } from "@vnes/sdk/driver";

/** Objects and arrays inside each other; deeper than any frame of ours, shallow enough for every recursive reader. */
const MAX_DEPTH = 16;
/** Values in one frame; a frame of ours has some twenty. */
const MAX_VALUES = 1024;

/** Null unless the bytes are one JSON object within the bounds. */
export function parseFrame(bytes: BytesPower, payload: Uint8Array): JsonObject | null {
  const text = bytes.toUtf8(payload);
  if (text === null) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  return isFrame(value) ? value : null;
}

export function isFrame(value: unknown): value is JsonObject {
  const budget = { values: MAX_VALUES };
  return typeof value === "object" && value !== null && !Array.isArray(value) && isPlain(value, 0, budget);
}

function isPlain(value: unknown, depth: number, budget: { values: number }): value is Json {
  budget.values -= 1;
  if (budget.values < 0) return false;
  if (value === null || typeof value === "boolean" || typeof value === "string") return true;
  if (typeof value === "number") return isPlainNumber(value);
  if (typeof value !== "object" || depth >= MAX_DEPTH) return false;
  if (Array.isArray(value)) return value.every((item) => isPlain(item, depth + 1, budget));
  return Object.entries(value).every(
    ([name, item]) => name !== "__proto__" && isPlain(item, depth + 1, budget),
  );
}

function isPlainNumber(value: number): boolean {
  if (!Number.isFinite(value) || Object.is(value, -0)) return false;
  return !Number.isInteger(value) || Number.isSafeInteger(value);
}
