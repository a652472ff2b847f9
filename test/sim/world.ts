/**
 * Virtual time for everything of one run. One wake fires at a time, and before the next everything it set off has come
 * to rest, so the order of events is that of the clock and of who asked first: a function of the seed.
 *
 * W1. Nothing of a run waits for the machine: no timer, no file, no process. Promises and the clock are all there is.
 * W2. What happened is told to `trace`, and two runs of a seed tell the same.
 */
import { createHash, type Hash } from "node:crypto";
import { MemoryClock, SeededRandom } from "@vnes/driver-memory";
import { EPOCH_MS } from "./images.ts";

/** A run that needs more is stuck in a circle; far above what the longest run needs. */
const MAX_WAKES = 2_000_000;
/** What a failure shows of its end. */
const LINES_KEPT = 400;

export class World {
  readonly clock: MemoryClock = new MemoryClock(EPOCH_MS);
  readonly random: SeededRandom;
  readonly #hash: Hash = createHash("sha256");
  readonly #lines: string[] = [];
  readonly #keepAll: boolean;
  #wakes = 0;

  /** `keepAll`: keeps every line of the trace, for a person to read. */
  constructor(seed: number, keepAll: boolean) {
    this.random = new SeededRandom(seed);
    this.#keepAll = keepAll;
  }

  /** Milliseconds since the run began. */
  get at(): number {
    return this.clock.now() - EPOCH_MS;
  }

  trace(line: string): void {
    const text = `${this.at} ${line}`;
    this.#hash.update(`${text}\n`);
    this.#lines.push(text);
    if (!this.#keepAll && this.#lines.length > 2 * LINES_KEPT) this.#lines.splice(0, LINES_KEPT);
  }

  get lines(): readonly string[] {
    return this.#lines;
  }

  /** Ends the trace. */
  digest(): string {
    return this.#hash.digest("hex");
  }

  after(ms: number, run: () => void): () => void {
    return this.clock.wakeAt(this.clock.now() + ms, run);
  }

  /** Lets time pass until `isDone`, at most `ms`; whether it is. */
  async until(isDone: () => boolean, ms: number): Promise<boolean> {
    const end = this.clock.now() + ms;
    for (;;) {
      await settled();
      if (isDone()) return true;
      if (++this.#wakes > MAX_WAKES) throw new Error(`more than ${MAX_WAKES} wakes`);
      if (this.clock.fireNext(end)) continue;
      this.clock.advance(end - this.clock.now());
      await settled();
      return isDone();
    }
  }

  /** True with a chance of one in `n`. */
  oneIn(n: number): boolean {
    return this.random.below(n) === 0;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.random.below(items.length)] as T;
  }
}

/** An immediate comes after every promise that can resolve without time passing. */
function settled(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}
