/** A clock that stands still until it is told to move. */
import type { Clock } from "@vnes/kernel";

interface Wake {
  readonly at: number;
  readonly order: number;
  readonly wake: () => void;
}

export class MemoryClock implements Clock {
  #now: number;
  #wakes: Wake[] = [];
  #order = 0;
  #onWallJump: (ms: number) => void = () => {};

  constructor(startAt = 1_700_000_000_000) {
    this.#now = startAt;
  }

  now(): number {
    return this.#now;
  }

  /** Never calls back from within `wakeAt`: what is overdue fires at the next `advance`, `advance(0)` included. */
  wakeAt(at: number, wake: () => void): () => void {
    const entry: Wake = { at, order: this.#order++, wake };
    this.#wakes.push(entry);
    return () => {
      this.#wakes = this.#wakes.filter((other) => other !== entry);
    };
  }

  notBefore(at: number): void {
    this.#now = Math.max(this.#now, at);
  }

  onWallJump(listener: (ms: number) => void): void {
    this.#onWallJump = listener;
  }

  /** Somebody sets the wall clock; node time stays. */
  jumpWall(ms: number): void {
    this.#onWallJump(ms);
  }

  /** When the next wake is due; undefined when nobody waits. */
  get nextWakeAt(): number | undefined {
    return this.#next()?.at;
  }

  /** Moves on by `ms`, firing what falls due on the way in (due, asked-for) order, each at its own time. */
  advance(ms: number): void {
    if (!Number.isInteger(ms) || ms < 0)
      throw new RangeError(`a clock moves by whole milliseconds, not ${ms}`);
    const end = this.#now + ms;
    for (let due = this.#next(); due !== undefined && due.at <= end; due = this.#next()) {
      const fired = due;
      this.#wakes = this.#wakes.filter((other) => other !== fired);
      this.#now = Math.max(this.#now, fired.at);
      fired.wake();
    }
    this.#now = end;
  }

  #next(): Wake | undefined {
    let first: Wake | undefined;
    for (const wake of this.#wakes) {
      if (first === undefined || wake.at < first.at || (wake.at === first.at && wake.order < first.order))
        first = wake;
    }
    return first;
  }
}
