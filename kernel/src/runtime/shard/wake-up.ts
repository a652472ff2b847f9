/** At most one wake-up at a time, the earliest that was asked for. */
import type { Clock } from "../../ports/clock.ts";

export class WakeUp {
  readonly #clock: Clock;
  readonly #wake: () => void;
  #at = Number.POSITIVE_INFINITY;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock, wake: () => void) {
    this.#clock = clock;
    this.#wake = wake;
  }

  at(time: number): void {
    if (time >= this.#at) return;
    this.#cancel?.();
    this.#at = time;
    this.#cancel = this.#clock.wakeAt(time, () => {
      this.#at = Number.POSITIVE_INFINITY;
      this.#cancel = undefined;
      this.#wake();
    });
  }
}
