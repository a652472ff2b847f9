/** Suspended capsules that go on by themselves: when, and that whoever did something else with one meanwhile had the last word. */
import type { Clock } from "../../ports/clock.ts";

interface Resumption {
  /** From the suspension on, and from each attempt that came to nothing. */
  readonly ms: number;
  /** In node time. */
  readonly at: number;
  readonly cancel: () => void;
}

export class Resumptions {
  readonly #clock: Clock;
  readonly #resume: (id: string) => void;
  readonly #due = new Map<string, Resumption>();

  /** `resume` is asked once for each that came due and was not forgotten. */
  constructor(clock: Clock, resume: (id: string) => void) {
    this.#clock = clock;
    this.#resume = resume;
  }

  /** So long after `since`, in node time; in place of an earlier one of this capsule. */
  in(ms: number, id: string, since: number = this.#clock.now()): void {
    this.forget(id);
    const at = since + ms;
    this.#due.set(id, { ms, at, cancel: this.#clock.wakeAt(at, () => this.#resume(id)) });
  }

  /** When it goes on, in node time; null when it does not by itself. */
  dueAt(id: string): number | null {
    return this.#due.get(id)?.at ?? null;
  }

  /** It came due and came to nothing: once more after the same time, unless it was forgotten meanwhile. */
  again(id: string): void {
    const due = this.#due.get(id);
    if (due !== undefined) this.in(due.ms, id);
  }

  forget(id: string): void {
    this.#due.get(id)?.cancel();
    this.#due.delete(id);
  }

  stop(): void {
    for (const id of [...this.#due.keys()]) this.forget(id);
  }
}
