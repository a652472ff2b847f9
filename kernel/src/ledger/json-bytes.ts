/**
 * JSON as UTF-8, straight into memory: for parts of a record that are known to be simple, with no text made first.
 *
 * Each function writes at a place and returns the place behind what it wrote.
 *
 * J1. What is written is byte for byte what `JSON.stringify` and a `TextEncoder` give.
 * J2. When there is no room, or something is no JSON, the place is beyond the memory's end, and so is every one that follows
 *     from it. What was written until then means nothing.
 */
import type { Json, JsonObject } from "@vnes/schemas";

const encoder = new TextEncoder();

/** What is shorter is written byte by byte: a call costs as much. */
const SHORT_BYTES = 12;
/** A longer text is encoded in one call. */
const MAX_TEXT_UNITS = 64;
/** Of a whole number that is written here. */
const MAX_DIGITS = 16;
/** Whole numbers below it are divided as such. */
const BILLION = 1_000_000_000;
const LOW_DIGITS = 8;
const LOW = 100_000_000;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const SPACE = 0x20;
const TILDE = 0x7e;
const ZERO = 0x30;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN = 0x7b;
const CLOSE = 0x7d;

/** What stands in every record. */
export function constant(text: string): Uint8Array {
  return encoder.encode(text);
}

export function putBytes(memory: Uint8Array, at: number, bytes: Uint8Array): number {
  const end = at + bytes.length;
  if (end > memory.length) return end;
  if (bytes.length > SHORT_BYTES) memory.set(bytes, at);
  else for (let index = 0; index < bytes.length; index++) memory[at + index] = bytes[index] as number;
  return end;
}

export function putText(memory: Uint8Array, at: number, text: string): number {
  const end = at + text.length + 2;
  if (end > memory.length || text.length > MAX_TEXT_UNITS) return putEncoded(memory, at, text);
  memory[at] = QUOTE;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit < SPACE || unit > TILDE || unit === QUOTE || unit === BACKSLASH)
      return putEncoded(memory, at, text);
    memory[at + 1 + index] = unit;
  }
  memory[end - 1] = QUOTE;
  return end;
}

export function putNumber(memory: Uint8Array, at: number, value: number): number {
  if (at + MAX_DIGITS > memory.length || !isShort(value)) return putEncoded(memory, at, value);
  if (value < BILLION) return putDigits(memory, at, value);
  const high = Math.floor(value / LOW);
  const start = putDigits(memory, at, high);
  let rest = value - high * LOW;
  for (let place = start + LOW_DIGITS - 1; place >= start; place--) {
    const next = (rest / 10) | 0;
    memory[place] = ZERO + rest - next * 10;
    rest = next;
  }
  return start + LOW_DIGITS;
}

export function putJson(memory: Uint8Array, at: number, value: Json): number {
  if (typeof value === "string") return putText(memory, at, value);
  if (typeof value === "number") return putNumber(memory, at, value);
  return isPlainObject(value) ? putObject(memory, at, value) : putEncoded(memory, at, value);
}

function isPlainObject(value: Json): value is JsonObject {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

function putObject(memory: Uint8Array, start: number, value: JsonObject): number {
  let at = start;
  for (const name in value) {
    if (at >= memory.length) return memory.length + 1;
    memory[at] = at === start ? OPEN : COMMA;
    at = putText(memory, at + 1, name);
    if (at >= memory.length) return memory.length + 1;
    memory[at] = COLON;
    at = putJson(memory, at + 1, value[name] as Json);
  }
  if (at === start) return putEncoded(memory, at, value);
  if (at < memory.length) memory[at] = CLOSE;
  return at + 1;
}

/** Anything that is JSON, by way of its text. */
export function putEncoded(memory: Uint8Array, at: number, value: unknown): number {
  const text = JSON.stringify(value) as string | undefined;
  // A member that is undefined is left out with its name: that is for whoever writes the whole.
  if (text === undefined || at + text.length > memory.length) return memory.length + 1;
  const { read, written } = encoder.encodeInto(text, memory.subarray(at));
  return read === text.length ? at + written : memory.length + 1;
}

/** A whole number whose digits are counted here, and not -0. */
function isShort(value: number): boolean {
  return value >= 0 && value < BILLION * LOW && Number.isSafeInteger(value) && !Object.is(value, -0);
}

/** Below a billion. */
function putDigits(memory: Uint8Array, at: number, value: number): number {
  let end = at + 1;
  for (let power = 10; power <= value; power *= 10) end++;
  let rest = value | 0;
  for (let place = end - 1; place >= at; place--) {
    const next = (rest / 10) | 0;
    memory[place] = ZERO + rest - next * 10;
    rest = next;
  }
  return end;
}
