/**
 * UTF-8 that is put together from pieces and used again once it was sent: a batch's text in fresh memory costs a replay
 * more in page faults than the copying does.
 */

const FIRST_BYTES = 4_096;
/** UTF-8 of one UTF-16 code unit, at most. */
const MAX_UNIT_BYTES = 3;
const MAX_SINGLE_BYTES = 24;

const encoder = new TextEncoder();

export class TextBuffer {
  #memory = new Uint8Array(FIRST_BYTES);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** What was added; written over by what is added after `clear`. */
  get bytes(): Uint8Array {
    return this.#memory.subarray(0, this.#length);
  }

  clear(): void {
    this.#length = 0;
  }

  addText(text: string): void {
    this.#grow(text.length * MAX_UNIT_BYTES);
    this.#length += encoder.encodeInto(text, this.#memory.subarray(this.#length)).written;
  }

  /** One character of ASCII. */
  addByte(code: number): void {
    this.#grow(1);
    this.#memory[this.#length++] = code;
  }

  addBytes(bytes: Uint8Array, from = 0, to: number = bytes.length): void {
    const more = to - from;
    this.#grow(more);
    // A view costs more than a few bytes do one by one.
    if (more <= MAX_SINGLE_BYTES) {
      for (let index = 0; index < more; index++)
        this.#memory[this.#length + index] = bytes[from + index] as number;
    } else {
      this.#memory.set(bytes.subarray(from, to), this.#length);
    }
    this.#length += more;
  }

  #grow(more: number): void {
    if (this.#length + more <= this.#memory.length) return;
    const grown = new Uint8Array(Math.max(2 * this.#memory.length, this.#length + more));
    grown.set(this.bytes);
    this.#memory = grown;
  }
}
