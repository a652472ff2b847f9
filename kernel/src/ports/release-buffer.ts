/**
 * Gives the memory of a buffer back at once. For drivers that are given a buffer for everything they read: left to the garbage
 * collector, what lies outside of V8's own heap makes it look through all of that every 64 MB, which costs more than a copy.
 *
 * The buffer holds nothing after this: whoever calls it knows that it is theirs alone, and no part of Node's pool.
 */
export function releaseBuffer(buffer: ArrayBufferLike): void {
  if (buffer instanceof ArrayBuffer) buffer.transfer(0);
}
