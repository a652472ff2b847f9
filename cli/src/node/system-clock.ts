/**
 * The real clock behind the kernel's port: wall time once, then the time since boot with sleep included.
 *
 * 1. `now` never goes back and does not follow a wall clock that is set.
 * 2. A machine that slept did not stop: what a monotonic clock leaves out is added from the time since boot.
 */
import { uptime } from "node:os";
import type { Clock } from "@vnes/kernel";

/** setTimeout takes no more; a later wake-up is set in steps. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
/** Time since boot is read in steps of 10 ms, so less than this is the reading, not a sleep. */
const SLEEP_NOTICED_MS = 1000;
/** How often it is looked at; a sleep is noticed so late at most, timers apart. */
const SLEEP_CHECK_MS = 1000;

export class SystemClock implements Clock {
  readonly #base: number;
  #sleptMs = 0;
  #checkedAt: number;

  constructor() {
    this.#base = Date.now() - performance.now();
    this.#checkedAt = performance.now();
    this.#offset = uptime() * 1000 - performance.now();
  }

  readonly #offset: number;

  now(): number {
    const monotonic = performance.now();
    if (monotonic - this.#checkedAt >= SLEEP_CHECK_MS) {
      this.#checkedAt = monotonic;
      const slept = uptime() * 1000 - monotonic - this.#offset;
      if (slept > this.#sleptMs + SLEEP_NOTICED_MS) this.#sleptMs = slept;
    }
    return Math.floor(this.#base + monotonic + this.#sleptMs);
  }

  wakeAt(at: number, wake: () => void): () => void {
    let timer: NodeJS.Timeout;
    const arm = (): void => {
      const left = at - this.now();
      timer = setTimeout(
        () => (this.now() >= at ? wake() : arm()),
        Math.min(Math.max(0, left), LONGEST_TIMER_MS),
      );
    };
    arm();
    return () => clearTimeout(timer);
  }
}
