/**
 * What is due next, in (due, id) order: a binary heap. Replaced and cancelled entries stay in the heap until they come
 * up and are then found stale by whoever asked; the heap is rebuilt when stale ones are the majority.
 */
export interface Due {
  readonly at: number;
  readonly id: string;
}

export class DueQueue<Entry extends Due = Due> {
  #heap: Entry[] = [];

  get size(): number {
    return this.#heap.length;
  }

  /** Time of the first entry, stale or not. */
  next(): number | undefined {
    return this.#heap[0]?.at;
  }

  push(due: Entry): void {
    const heap = this.#heap;
    let index = heap.length;
    heap.push(due);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!before(due, heap[parent] as Entry)) break;
      heap[index] = heap[parent] as Entry;
      index = parent;
    }
    heap[index] = due;
  }

  /** Removes and returns the first entry if it is due at `now`. */
  pop(now: number): Entry | undefined {
    const heap = this.#heap;
    const first = heap[0];
    if (first === undefined || first.at > now) return undefined;
    const last = heap.pop() as Entry;
    if (heap.length > 0) this.#sink(last);
    return first;
  }

  /** Keeps only what `isLive` says; call it when `size` is far above what is live. */
  prune(isLive: (due: Entry) => boolean): void {
    const live = this.#heap.filter(isLive);
    this.#heap = [];
    for (const due of live) this.push(due);
  }

  #sink(due: Entry): void {
    const heap = this.#heap;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1] as Entry, heap[child] as Entry)) child++;
      if (!before(heap[child] as Entry, due)) break;
      heap[index] = heap[child] as Entry;
      index = child;
    }
    heap[index] = due;
  }
}

function before(a: Due, b: Due): boolean {
  return a.at < b.at || (a.at === b.at && a.id < b.id);
}
