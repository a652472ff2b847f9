/**
 * UTF-8 of many short texts. They share chunks of memory: an `ArrayBuffer` of its own costs a short text more than the
 * encoding does. What is returned is never written to again; a chunk lives as long as the longest-lived text in it.
 */

/** About a hundred turn records: small enough that one that is kept keeps little else. */
const CHUNK_BYTES = 65_536;
/** UTF-8 of one UTF-16 code unit, at most. */
const MAX_UNIT_BYTES = 3;

const encoder = new TextEncoder();
let chunk = new Uint8Array(CHUNK_BYTES);
let used = 0;

const NOTHING = new Uint8Array(0);

/** `before`: bytes that come first. */
export function textBytes(text: string, before: Uint8Array = NOTHING): Uint8Array {
  const most = before.length + text.length * MAX_UNIT_BYTES;
  // Long texts have their own memory; so has what might not fit, for the room is only known afterwards.
  if (most > CHUNK_BYTES) return ownMemory(text, before);
  if (used + most > CHUNK_BYTES) {
    chunk = new Uint8Array(CHUNK_BYTES);
    used = 0;
  }
  const start = used;
  chunk.set(before, start);
  used += before.length;
  used += encoder.encodeInto(text, chunk.subarray(used)).written;
  return chunk.subarray(start, used);
}

/**
 * The same for what is written where it is to stand: `put` returns the place behind it, or undefined when it has to be a text
 * first, or there is no room for it.
 */
export function putOrText<T>(
  value: T,
  put: (memory: Uint8Array, at: number, value: T) => number | undefined,
  before: Uint8Array = NOTHING,
): Uint8Array {
  const start = used;
  if (start + before.length <= CHUNK_BYTES) {
    chunk.set(before, start);
    const end = put(chunk, start + before.length, value);
    if (end !== undefined) {
      used = end;
      return chunk.subarray(start, end);
    }
  }
  return textBytes(JSON.stringify(value), before);
}

function ownMemory(text: string, before: Uint8Array): Uint8Array {
  const encoded = encoder.encode(text);
  if (before.length === 0) return encoded;
  const bytes = new Uint8Array(before.length + encoded.length);
  bytes.set(before);
  bytes.set(encoded, before.length);
  return bytes;
}
