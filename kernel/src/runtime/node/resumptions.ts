/** Suspended capsules that go on by themselves: when, and that whoever did something else with one meanwhile had the last word. */
import type { Clock } from "../../ports/clock.ts";

export class Resumptions {
  readonly #clock: Clock;
  readonly #resume: (id: string) => void;
  readonly #due = new Map<string, () => void>();

  /** `resume` is asked once for each that came due and was not forgotten. */
  constructor(clock: Clock, resume: (id: string) => void) {
    this.#clock = clock;
    this.#resume = resume;
  }

  /** In place of an earlier one of this capsule. */
  in(ms: number, id: string): void {
    this.forget(id);
    const cancel = this.#clock.wakeAt(this.#clock.now() + ms, () => {
      this.#due.delete(id);
      this.#resume(id);
    });
    this.#due.set(id, cancel);
  }

  forget(id: string): void {
    this.#due.get(id)?.();
    this.#due.delete(id);
  }

  stop(): void {
    for (const id of [...this.#due.keys()]) this.forget(id);
  }
}
