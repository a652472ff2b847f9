/**
 * A topic partition of another node, as subscribers here see it: it asks the owner for page after page and keeps a
 * window of the newest events. The owner gives only what is durable there, so rule P3 of `partition.ts` holds here too.
 *
 * While the owner is away nothing new comes, and what is asked for is asked for again; nothing is skipped, since every
 * page begins where the last one ended.
 */
import type { Clock } from "../ports/clock.ts";
import type { Messenger } from "../ports/messenger.ts";
import { type BackOff, delayMs } from "../runtime/shard/back-off.ts";
import type { Counters } from "../runtime/node/counters.ts";
import { EventWindow } from "../runtime/topics/event-window.ts";
import type { PartitionEvent, PartitionReader } from "../runtime/topics/partition-reader.ts";
import { encodePageRequest, PAGE_SERVICE, parsePage } from "./event-page.ts";

/** For subscribers that keep up; the others ask for pages of their own. As large as the owner's. */
const WINDOW = { events: 8_192, bytes: 4 * 1024 * 1024 } as const;
/** The owner holds a question so long when it has nothing new; a question costs both a few dozen microseconds. */
const WAIT_MS = 1_000;
/** A question that was lost, as when its owner was restarted, is asked again after this. */
const PATIENCE_MS = 1_500;
const AGAIN: BackOff = { firstMs: 50, maxMs: 2_000 };

export interface RemotePartitionParts {
  readonly shard: string;
  readonly topic: string;
  readonly index: number;
  readonly owner: string;
  readonly messenger: Messenger;
  readonly clock: Clock;
  readonly counters: Counters;
}

export class RemotePartition implements PartitionReader {
  readonly shard: string;
  readonly topic: string;
  readonly index: number;
  readonly #parts: RemotePartitionParts;
  readonly #listeners: (() => void)[] = [];
  readonly #window = new EventWindow(WINDOW);
  /** Seq after the newest event here; 0 until somebody reads. */
  #next = 0;
  #lastSeq = 0;
  #isClosed = false;

  constructor(parts: RemotePartitionParts) {
    this.#parts = parts;
    this.shard = parts.shard;
    this.topic = parts.topic;
    this.index = parts.index;
  }

  get lastSeq(): number {
    return this.#lastSeq;
  }

  /** As the owner says it; waits for the owner. */
  async askLastSeq(): Promise<number> {
    await this.#page(Number.MAX_SAFE_INTEGER, 0);
    return this.#lastSeq;
  }

  onEvents(listener: () => void): void {
    this.#listeners.push(listener);
  }

  peek(from: number, limit: number): readonly PartitionEvent[] | undefined {
    if (this.#next === 0) {
      // The first reader says where to begin; one that is behind it asks for its own pages.
      this.#next = from;
      void this.#follow();
      return [];
    }
    if (from >= this.#next) return [];
    return this.#window.peek(from, limit);
  }

  /** Never rejects; it waits for the owner, and once closed for ever: who got an empty page would ask again at once. */
  async fetch(from: number): Promise<readonly PartitionEvent[]> {
    return (await this.#page(from)) ?? new Promise(() => undefined);
  }

  close(): void {
    this.#isClosed = true;
  }

  async #follow(): Promise<void> {
    while (!this.#isClosed) {
      const events = await this.#page(this.#next);
      const last = events?.at(-1);
      if (events === undefined || last === undefined) continue;
      this.#next = last.seq + 1;
      for (const event of events) this.#window.push(event);
      for (const listener of this.#listeners) listener();
    }
  }

  /** Undefined once closed. */
  async #page(from: number, waitMs = WAIT_MS): Promise<readonly PartitionEvent[] | undefined> {
    const { messenger, owner, shard, counters, clock } = this.#parts;
    for (let attempt = 0; !this.#isClosed; attempt++) {
      const question = encodePageRequest({ shard, from, waitMs });
      const answer = await messenger
        .request(owner, PAGE_SERVICE, question, PATIENCE_MS)
        .catch(() => undefined);
      const page = answer === undefined ? undefined : parsePage(answer, from);
      if (page !== undefined) {
        this.#lastSeq = Math.max(this.#lastSeq, page.lastSeq);
        return page.events;
      }
      counters.add(answer === undefined ? "remote.pageFailed" : "remote.pageUnreadable");
      await new Promise<void>((resume) => {
        clock.wakeAt(clock.now() + delayMs(AGAIN, attempt), resume);
      });
    }
    return undefined;
  }
}
