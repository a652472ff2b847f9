/**
 * How soon what a capsule has spoilt, its isolate or its process, is used anew: at once the first time, then ever more slowly while
 * it goes on. A new one costs everybody on the machine, this process too, and a capsule that spoils each must not have them without end.
 */
const FIRST_MS = 50;
const MAX_MS = 2_000;
/** One that was well for so long may be renewed at once again. */
const FORGET_MS = 10_000;

export class RenewalPace {
  #spoilt = 0;
  #at: number = Number.NEGATIVE_INFINITY;

  /** It was spoilt at `now`: milliseconds to wait before the next turn. */
  waitMs(now: number): number {
    if (now - this.#at > FORGET_MS) this.#spoilt = 0;
    this.#at = now;
    const before = this.#spoilt++;
    return before === 0 ? 0 : Math.min(MAX_MS, FIRST_MS * 2 ** Math.min(before - 1, 16));
  }
}

/** Not waited for by a process that ends. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms).unref());
}
