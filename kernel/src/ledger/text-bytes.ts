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

export function textBytes(text: string): Uint8Array {
  // Long texts have their own memory; so has what might not fit, for the room is only known afterwards.
  if (text.length * MAX_UNIT_BYTES > CHUNK_BYTES) return encoder.encode(text);
  if (used + text.length * MAX_UNIT_BYTES > CHUNK_BYTES) {
    chunk = new Uint8Array(CHUNK_BYTES);
    used = 0;
  }
  const start = used;
  used += encoder.encodeInto(text, chunk.subarray(start)).written;
  return chunk.subarray(start, used);
}
