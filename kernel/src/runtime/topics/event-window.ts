/**
 * The newest events of one partition, for subscribers that keep up; the others read the store. Bounded by count and by
 * bytes: when it is full its older half goes, so that letting go costs little for each event.
 */
import type { PartitionEvent } from "./partition-reader.ts";

export interface WindowBounds {
  readonly events: number;
  /** Of the events' sizes. */
  readonly bytes: number;
}

export class EventWindow {
  readonly #bounds: WindowBounds;
  #events: PartitionEvent[] = [];
  #bytes = 0;

  constructor(bounds: WindowBounds) {
    this.#bounds = bounds;
  }

  /** Seqs follow on each other. */
  push(event: PartitionEvent): void {
    this.#events.push(event);
    this.#bytes += event.size;
    const { events, bytes } = this.#bounds;
    if (this.#events.length > events || this.#bytes > bytes) this.#shrink();
  }

  /** At most `limit` events from `from` on; undefined when that one is not here. */
  peek(from: number, limit: number): readonly PartitionEvent[] | undefined {
    const first = this.#events[0];
    if (first === undefined || from < first.seq) return undefined;
    const start = from - first.seq;
    return this.#events.slice(start, start + limit);
  }

  /** To half of each bound; the newest event stays, however large. */
  #shrink(): void {
    let first = this.#events.length - 1;
    let bytes = this.#sizeOf(first);
    const { events, bytes: most } = this.#bounds;
    while (first > 0 && this.#events.length - first < events / 2) {
      const size = this.#sizeOf(first - 1);
      if (bytes + size > most / 2) break;
      bytes += size;
      first--;
    }
    this.#events = this.#events.slice(first);
    this.#bytes = bytes;
  }

  #sizeOf(index: number): number {
    return (this.#events[index] as PartitionEvent).size;
  }
}
