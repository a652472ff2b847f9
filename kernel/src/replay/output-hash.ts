/**
 * One hash over the outputs of many turns, in order: sha256(hash before ‖ texts) for every `GROUP` of them, since hashing
 * many small texts one by one costs more than running them.
 */
import { hex } from "../ledger/chain.ts";
import type { Digest } from "../ports/digest.ts";

const GROUP = 256;
const encoder = new TextEncoder();

export class OutputHash {
  readonly #digest: Digest;
  #hash: Uint8Array;
  #texts: string[] = [];

  constructor(digest: Digest) {
    this.#digest = digest;
    this.#hash = digest.sha256();
  }

  add(text: string): void {
    this.#texts.push(text);
    if (this.#texts.length < GROUP) return;
    this.#hash = this.#hashOf(this.#texts);
    this.#texts = [];
  }

  /** The last there will be; `value` can then tell the hash with another in its place. */
  addLast(text: string): void {
    this.#texts.push(text);
  }

  /** Hex over everything added, and `instead` in place of the last of it when it is given. */
  value(instead?: string): string {
    const texts = instead === undefined ? this.#texts : [...this.#texts.slice(0, -1), instead];
    return hex(texts.length === 0 ? this.#hash : this.#hashOf(texts));
  }

  #hashOf(texts: readonly string[]): Uint8Array {
    return this.#digest.sha256(this.#hash, encoder.encode(texts.join("\n")));
  }
}
