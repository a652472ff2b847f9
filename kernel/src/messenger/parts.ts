/**
 * Cuts what is larger than a message into parts and puts parts together again.
 *
 * Owns the parts that wait for the rest; they are bounded in number and bytes, and the oldest goes first: its sender
 * has given up long ago or will ask again. A whole is given out only when every byte of it has come, in order.
 */
import type { Frame } from "./frame.ts";

/** More halves of something than this at once is a sender that dies in the middle, over and over. */
const MAX_UNFINISHED = 256;
/** A few of the largest payloads at once, from every side. */
export const MAX_UNFINISHED_BYTES: number = 64 * 1024 * 1024;

/** The frame itself when it fits. */
export function cut(frame: Frame, maxPayloadBytes: number): readonly Frame[] {
  const { payload } = frame;
  const total = payload.length;
  if (total <= maxPayloadBytes) return [frame];
  const parts: Frame[] = [];
  for (let offset = 0; offset < total; offset += maxPayloadBytes) {
    const bytes = payload.subarray(offset, offset + maxPayloadBytes);
    parts.push({ ...frame, payload: bytes, part: { total, offset } });
  }
  return parts;
}

export class Parts {
  /** Bytes of a whole, as far as they have come. */
  readonly #unfinished = new Map<string, { readonly whole: Uint8Array; filled: number }>();
  #bytes = 0;
  /** Wholes given up because a part was lost, or for want of room. */
  dropped = 0;

  /** The whole frame once its last part is here. */
  add(from: string, frame: Frame, maxTotalBytes: number): Frame | undefined {
    const { part, payload } = frame;
    if (part === undefined) return frame;
    const { kind, tag, number, service } = frame;
    const key = `${from} ${tag} ${number} ${kind}`;
    let unfinished = this.#unfinished.get(key);
    if (unfinished === undefined) {
      if (part.offset !== 0 || part.total > maxTotalBytes) {
        if (part.offset === 0) this.dropped++;
        return undefined;
      }
      unfinished = { whole: new Uint8Array(part.total), filled: 0 };
      this.#unfinished.set(key, unfinished);
      this.#bytes += part.total;
      this.#bound(key);
    }
    const { whole, filled } = unfinished;
    const end = part.offset + payload.length;
    if (part.offset !== filled || part.total !== whole.length || end > whole.length) {
      this.#forget(key);
      this.dropped++;
      return undefined;
    }
    whole.set(payload, filled);
    unfinished.filled = end;
    if (end < whole.length) return undefined;
    this.#forget(key);
    return { kind, tag, number, service, payload: whole };
  }

  #bound(newest: string): void {
    for (const key of this.#unfinished.keys()) {
      if (this.#unfinished.size <= MAX_UNFINISHED && this.#bytes <= MAX_UNFINISHED_BYTES) return;
      if (key === newest) return;
      this.#forget(key);
      this.dropped++;
    }
  }

  #forget(key: string): void {
    this.#bytes -= this.#unfinished.get(key)?.whole.length ?? 0;
    this.#unfinished.delete(key);
  }
}
