/** A clock that stands still until it is told to move. */
import type { Clock } from "@vnes/kernel";

interface Wake {
  readonly at: number;
  readonly order: number;
  /** Undefined once it was cancelled; such an entry leaves the heap when it comes up. */
  wake: (() => void) | undefined;
}

export class MemoryClock implements Clock {
  #now: number;
  /** A binary heap in (due, asked-for) order. */
  readonly #wakes: Wake[] = [];
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
    this.#push(entry);
    return () => {
      entry.wake = undefined;
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
    while (this.fireNext(end));
    this.#now = end;
  }

  /** Moves on to the next wake due by `until` and fires that one alone; false when there is none. */
  fireNext(until: number = Number.POSITIVE_INFINITY): boolean {
    const due = this.#next();
    if (due === undefined || due.at > until) return false;
    this.#pop();
    this.#now = Math.max(this.#now, due.at);
    due.wake?.();
    return true;
  }

  #next(): Wake | undefined {
    while (this.#wakes[0] !== undefined && this.#wakes[0].wake === undefined) this.#pop();
    return this.#wakes[0];
  }

  #push(entry: Wake): void {
    const heap = this.#wakes;
    let index = heap.length;
    heap.push(entry);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!isBefore(entry, heap[parent] as Wake)) break;
      heap[index] = heap[parent] as Wake;
      index = parent;
    }
    heap[index] = entry;
  }

  #pop(): void {
    const heap = this.#wakes;
    const last = heap.pop() as Wake;
    if (heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Wake, heap[child] as Wake)) child++;
      if (!isBefore(heap[child] as Wake, last)) break;
      heap[index] = heap[child] as Wake;
      index = child;
    }
    heap[index] = last;
  }
}

function isBefore(a: Wake, b: Wake): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
