/**
 * A part of a record with one or two values in it that are nearly always those of the record before: a batch of turns has one time, most
 * calls of a moment are for one method, by one caller. Written once, and then copied in one piece.
 */
import { constant, putBytes, putJson } from "./json-bytes.ts";

export class Repeated {
  readonly #texts: readonly Uint8Array[];
  #first: string | number | undefined;
  #second: string | number | undefined;
  /** As it stands with both of them; undefined before the first. */
  #bytes: Uint8Array | undefined;

  /** What stands before the first value, behind it, and behind the second one. */
  constructor(...texts: readonly [string, string, string?]) {
    this.#texts = texts.map((text = "") => constant(text));
  }

  /** As the functions of `json-bytes.ts` (J1, J2). */
  put(memory: Uint8Array, start: number, first: string | number, second?: string | number): number {
    if (this.#bytes !== undefined && first === this.#first && second === this.#second)
      return putBytes(memory, start, this.#bytes);
    const [before, between, behind] = this.#texts as readonly [Uint8Array, Uint8Array, Uint8Array?];
    let at = putBytes(memory, putJson(memory, putBytes(memory, start, before), first), between);
    if (behind !== undefined) at = putBytes(memory, putJson(memory, at, second as string | number), behind);
    if (at > memory.length) return at;
    this.#first = first;
    this.#second = second;
    this.#bytes = memory.slice(start, at);
    return at;
  }
}
