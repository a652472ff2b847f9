/** Memory for the records of one page of a replay after another (`RecordMemory`). */
import type { RecordMemory } from "../../ports/ledger-store.ts";

export class PageMemory implements RecordMemory {
  #bytes = new Uint8Array(0);
  #used = 0;

  take(bytes: number): Uint8Array {
    // What was taken before keeps what it lies in.
    if (this.#used + bytes > this.#bytes.length) {
      this.#bytes = new Uint8Array(2 * this.#bytes.length + bytes);
      this.#used = 0;
    }
    const start = this.#used;
    this.#used += bytes;
    return this.#bytes.subarray(start, this.#used);
  }

  /** Nobody looks at what was taken any more. */
  clear(): void {
    this.#used = 0;
  }
}
