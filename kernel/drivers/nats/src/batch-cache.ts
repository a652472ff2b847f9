/** The entries of batches read or written last, so that what was just kept is not fetched again. Bounded by bytes. */
import type { Entry } from "./frame.ts";

/** Of all groups of a store together: the newest some ten thousand turns. */
const MAX_CACHE_BYTES = 32 * 1024 * 1024;
/** What a batch takes besides its bytes; keeps many small ones from being many. */
const BATCH_OVERHEAD_BYTES = 512;

interface Cached {
  readonly entries: readonly Entry[];
  readonly size: number;
}

export class BatchCache {
  readonly #batches = new Map<string, Cached>();
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(maxBytes: number = MAX_CACHE_BYTES) {
    this.#maxBytes = maxBytes;
  }

  get(stream: string, seq: number): readonly Entry[] | undefined {
    return this.#batches.get(`${stream} ${seq}`)?.entries;
  }

  add(stream: string, seq: number, entries: readonly Entry[], bytes: number): void {
    const key = `${stream} ${seq}`;
    const size = bytes + BATCH_OVERHEAD_BYTES;
    if (size > this.#maxBytes || this.#batches.has(key)) return;
    this.#batches.set(key, { entries, size });
    this.#bytes += size;
    for (const [oldest, { size: freed }] of this.#batches) {
      if (this.#bytes <= this.#maxBytes) return;
      this.#batches.delete(oldest);
      this.#bytes -= freed;
    }
  }
}
