/** The module's memory. Its buffer is another one after the module has grown it, so it is asked for each time. */
import type { WasmMemory } from "./webassembly.ts";

export class GuestMemory {
  readonly #memory: WasmMemory;
  #bytes: Uint8Array = new Uint8Array(0);

  constructor(memory: WasmMemory) {
    this.#memory = memory;
  }

  get byteLength(): number {
    return this.#memory.buffer.byteLength;
  }

  /** All of it, as it is now. */
  bytes(): Uint8Array {
    const { buffer } = this.#memory;
    if (this.#bytes.buffer !== buffer) this.#bytes = new Uint8Array(buffer);
    return this.#bytes;
  }

  /** Undefined when it is not all within the memory. A module counts in numbers without a sign, a call hands them over with one. */
  part(at: number, length: number): Uint8Array | undefined {
    const [from, size] = [at >>> 0, length >>> 0];
    const bytes = this.bytes();
    return from + size <= bytes.length ? bytes.subarray(from, from + size) : undefined;
  }
}
