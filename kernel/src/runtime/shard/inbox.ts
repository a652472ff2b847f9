/**
 * What waits for one capsule shard. Deliveries made for it alone (calls, answers, timers) queue here; events of durable topics
 * stay in their partition and are pulled when there is room, ephemeral ones wait in a short queue for each topic.
 *
 * I1. What was put back comes first, then everything that queues here in the order in which it came, then what is pulled.
 * I2. Feeds take turns, so a backlog of one topic does not starve the others.
 * I3. While a topic the capsule publishes to holds its publishers back, no event is taken; everything else is.
 */
import type { Delivery } from "@vnes/schemas";
import { roughSize } from "../../bus/json-size.ts";
import type { EphemeralQueue } from "./ephemeral-queue.ts";
import type { TopicFeed } from "../topics/topic-feed.ts";
import type { Waiting } from "./waiting.ts";

/** Calls beyond it are answered `CALL_INBOX_FULL`; answers, timers and the kernel's own deliveries always get in. */
export const MAX_WAITING_CALLS = 65_536;
/** The same for what the calls carry, in characters of JSON: callers with large inputs must not take the memory of a node. */
export const MAX_WAITING_CHARS: number = 64 * 1024 * 1024;

export class Inbox {
  readonly feeds: TopicFeed[] = [];
  #isActive = false;
  readonly queues: Map<string, EphemeralQueue> = new Map();
  readonly #wake: () => void;
  readonly #isHeld: () => boolean;
  /** What is taken is let go of at once, though its place is there until the list is cut. */
  #direct: (Waiting | undefined)[] = [];
  #head = 0;
  #size = 0;
  #order = 0;
  #firstFeed = 0;
  #turn = 0;

  /** `isHeld`: a topic this capsule publishes to has no room (I3). */
  constructor(wake: () => void, isHeld: () => boolean) {
    this.#wake = wake;
    this.#isHeld = isHeld;
  }

  /** Kept in memory. */
  get waiting(): number {
    let waiting = this.#direct.length - this.#head;
    if (this.queues.size > 0) for (const queue of this.queues.values()) waiting += queue.waiting;
    for (const feed of this.feeds) waiting += feed.waiting;
    return waiting;
  }

  /** The first of what queues here. */
  get first(): Waiting | undefined {
    return this.#direct[this.#head];
  }

  /** About what could be taken: what waits, and the events behind it that are still in their partitions. */
  get backlog(): number {
    let ready = this.#direct.length - this.#head;
    if (this.queues.size > 0) for (const queue of this.queues.values()) ready += queue.waiting;
    for (const feed of this.feeds) ready += feed.lag;
    return ready;
  }

  /** Reads from it, from now on. */
  addFeed(feed: TopicFeed): void {
    this.feeds.push(feed);
    feed.setActive(this.#isActive);
  }

  /** While inactive, nothing that is not pulled holds anybody back. */
  setActive(isActive: boolean): void {
    this.#isActive = isActive;
    for (const feed of this.feeds) feed.setActive(isActive);
  }

  /** False when there is no room; then nothing was kept. */
  push(waiting: Waiting): boolean {
    const { delivery } = waiting;
    let size = 0;
    if (delivery.kind === "call") {
      if (this.waiting >= MAX_WAITING_CALLS || this.#size >= MAX_WAITING_CHARS) return false;
      size = roughSize(delivery.input, MAX_WAITING_CHARS);
      this.#size += size;
    }
    waiting.order = ++this.#order;
    waiting.size = size;
    this.#direct.push(waiting);
    this.#wake();
    return true;
  }

  /** An event nobody keeps. False when the capsule does not take its topic. */
  pushEvent(delivery: Extract<Delivery, { kind: "event" }>): boolean {
    const queue = this.queues.get(delivery.topic);
    queue?.push(delivery, ++this.#order);
    return queue !== undefined;
  }

  /** Puts back what was taken and not run, in order, before everything else. */
  putBack(waiting: readonly Waiting[]): void {
    const first: Waiting[] = [];
    for (const one of waiting) {
      // Behind one that is tried again: it has to wait for it.
      if (one.feed?.isHolding === true) one.feed.holdBehind(one);
      else {
        one.order = 0;
        one.size = 0;
        first.push(one);
      }
    }
    if (first.length > 0) {
      this.#direct.splice(0, this.#head, ...first);
      this.#head = 0;
    }
    if (waiting.length > 0) this.#wake();
  }

  /** Events that were pulled from the feed and put back, because the shard stopped before they ran. */
  givenBack(feed: TopicFeed): number {
    let events = 0;
    for (const one of this.#direct) {
      if (one?.feed !== feed) continue;
      const { delivery } = one;
      events += delivery.kind === "batch" ? delivery.events.length : 1;
    }
    return events;
  }

  /** Drops what was pulled from the feed and put back: it will be read again. */
  forget(feed: TopicFeed): void {
    this.#direct = this.#direct.slice(this.#head).filter((one) => one?.feed !== feed);
    this.#head = 0;
  }

  /** The next deliveries, at most `limit`, each with its turn number. */
  take(limit: number): Waiting[] {
    const taken: Waiting[] = [];
    const isHeld = this.#isHeld();
    while (taken.length < limit) {
      const direct = this.#direct[this.#head];
      const queue = isHeld ? undefined : this.#readyQueue(direct?.order ?? Number.POSITIVE_INFINITY);
      if (queue !== undefined) taken.push(queue.take());
      else if (direct !== undefined) {
        taken.push(direct);
        this.#size -= direct.size ?? 0;
        this.#direct[this.#head++] = undefined;
      } else break;
    }
    if (this.#head > 1_024 && this.#head * 2 > this.#direct.length) {
      this.#direct.splice(0, this.#head);
      this.#head = 0;
    }
    if (!isHeld) this.#pull(limit, taken);
    for (const waiting of taken) waiting.turn ??= ++this.#turn;
    return taken;
  }

  #pull(limit: number, taken: Waiting[]): void {
    const { feeds } = this;
    const first = this.#firstFeed++;
    for (let index = 0; index < feeds.length && taken.length < limit; index++) {
      feeds[(first + index) % feeds.length]?.take(limit, taken);
    }
  }

  /** The queue whose first event came before `order`, and before those of the others. */
  #readyQueue(order: number): EphemeralQueue | undefined {
    // Asked for every delivery, and most capsules take no ephemeral topic.
    if (this.queues.size === 0) return undefined;
    let earliest = order;
    let found: EphemeralQueue | undefined;
    for (const queue of this.queues.values()) {
      const ready = queue.readyOrder();
      if (ready === undefined || ready >= earliest) continue;
      earliest = ready;
      found = queue;
    }
    return found;
  }
}
