/**
 * One hash over the outputs of many turns, in order: sha256(hash before ‖ texts) for every `GROUP` of them, a line feed
 * between two, since hashing many small texts one by one costs more than running them.
 */
import { hex } from "../ledger/chain.ts";
import type { Digest } from "../ports/digest.ts";
import { TextBuffer } from "./text-buffer.ts";

const GROUP = 256;
const LINE_FEED = 0x0a;

export class OutputHash {
  readonly #digest: Digest;
  readonly #texts = new TextBuffer();
  #count = 0;
  /** Of the last text. */
  #start = 0;
  #hash: Uint8Array;

  constructor(digest: Digest) {
    this.#digest = digest;
    this.#hash = digest.sha256();
  }

  /** Where the text of the next output is added, and nothing else. */
  next(): TextBuffer {
    if (this.#count === GROUP) this.#close();
    if (this.#count > 0) this.#texts.addByte(LINE_FEED);
    this.#count += 1;
    this.#start = this.#texts.length;
    return this.#texts;
  }

  /** Hex over everything added, and `instead` in place of the last of it when it is given; nothing is added after it. */
  value(instead?: string): string {
    if (instead !== undefined) {
      this.#texts.cut(this.#start);
      this.#texts.addText(instead);
    }
    return hex(this.#count === 0 ? this.#hash : this.#digest.sha256(this.#hash, this.#texts.bytes));
  }

  #close(): void {
    this.#hash = this.#digest.sha256(this.#hash, this.#texts.bytes);
    this.#texts.clear();
    this.#count = 0;
  }
}
