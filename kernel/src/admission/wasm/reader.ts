/** Reads a part of a module byte by byte, and never beyond its end. */

/** Why bytes are no module that is run here. */
export class Malformed extends Error {}

/** Far above what compilers emit; what is refused above it was made to be large. */
const MAX_ENTRIES = 1_000_000;

export class WasmReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  byte(): number {
    const byte = this.#bytes[this.#at++];
    if (byte === undefined) throw new Malformed("it ends too early");
    return byte;
  }

  peek(): number {
    return this.#bytes[this.#at] ?? 0;
  }

  u32(): number {
    return this.#leb(5, 0xffff_ffff);
  }

  /** Beyond 2^53 it is not exact, and far beyond every bound. */
  u64(): number {
    return this.#leb(10, Number.MAX_VALUE);
  }

  /** A signed number, whose value nobody asks for. */
  skipNumber(): void {
    this.#leb(10, Number.MAX_VALUE);
  }

  skip(length: number): void {
    this.#take(length);
  }

  count(): number {
    const count = this.u32();
    if (count > MAX_ENTRIES) throw new Malformed(`a section of ${count} entries, at most ${MAX_ENTRIES}`);
    return count;
  }

  name(): string {
    const bytes = this.#take(this.u32());
    try {
      return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    } catch {
      throw new Malformed("a name in it is not UTF-8");
    }
  }

  part(length: number): WasmReader {
    return new WasmReader(this.#take(length));
  }

  #take(length: number): Uint8Array {
    if (length > this.#bytes.length - this.#at) throw new Malformed("it ends too early");
    const bytes = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    return bytes;
  }

  #leb(most: number, limit: number): number {
    let value = 0;
    for (let index = 0; index < most; index++) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** (7 * index);
      if ((byte & 0x80) !== 0) continue;
      if (value > limit) break;
      return value;
    }
    throw new Malformed("a number in it is too long");
  }
}
