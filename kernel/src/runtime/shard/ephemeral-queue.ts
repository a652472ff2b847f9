/**
 * Events of one `at_most_once` topic that wait for one shard. They may be lost at any time, so the queue is short, and what
 * has no room goes by the topic's policy; `block` cannot hold back whoever publishes what nobody keeps, and drops the newest.
 */
import type { BatchEvent, Delivery, Subscription } from "@vnes/schemas";
import { type FlowRule, MAX_KEPT, MAX_KEPT_BYTES, type Queued, sizeOf, thin } from "../../bus/flow.ts";
import type { Clock } from "../../ports/clock.ts";
import { RateLimit } from "../node/rate-limit.ts";
import { WakeUp } from "./wake-up.ts";
import type { Waiting } from "./waiting.ts";

/** Events over the buffer before a policy that has to look at all of them is asked again. */
const SLACK = 64;

type EventDelivery = Extract<Delivery, { kind: "event" }>;

interface Arrived {
  readonly key: string;
  readonly event: EventDelivery["event"];
  readonly partition: number;
  readonly order: number;
  readonly at: number;
  readonly size: number;
}

export interface EphemeralQueueParts {
  readonly topic: string;
  readonly subscription: Subscription;
  readonly rule: FlowRule;
  readonly clock: Clock;
  wake(): void;
  thinned(shed: number, merged: number): void;
}

export class EphemeralQueue {
  readonly parts: EphemeralQueueParts;
  readonly stats = { delivered: 0, shed: 0, merged: 0 };
  readonly #room: number;
  readonly #wakeUp: WakeUp;
  #waiting: Queued<Arrived>[] = [];
  #head = 0;
  /** Of what waits, and of what is gone and still in front of it. */
  #size = 0;
  #goneSize = 0;
  readonly #rate: RateLimit;

  constructor(parts: EphemeralQueueParts) {
    this.parts = parts;
    this.#room = Math.min(parts.rule.buffer, MAX_KEPT);
    this.#wakeUp = new WakeUp(parts.clock, () => parts.wake());
    this.#rate = new RateLimit(parts.subscription.ratePerS, this.#wakeUp);
  }

  get waiting(): number {
    return this.#waiting.length - this.#head;
  }

  /** `order` rises with every delivery the shard is given, so that those of other kinds keep their place. */
  push({ key, event, partition }: EventDelivery, order: number): void {
    const { policy, shed } = this.parts.rule;
    const isNewest = policy === "block" || (policy === "shed" && shed === "newest");
    if (isNewest && (this.waiting >= this.#room || this.#size >= MAX_KEPT_BYTES)) {
      this.#count(1, 0);
      return;
    }
    const size = JSON.stringify(event).length;
    this.#size += size;
    const arrived = { key, event, partition, order, at: this.parts.clock.now(), size };
    this.#waiting.push({ event: arrived, skipped: 0 });
    if (policy === "shed" && shed === "oldest") {
      while (this.waiting > this.#room || (this.#size > MAX_KEPT_BYTES && this.waiting > 1)) {
        this.#drop(1);
        this.#count(1, 0);
      }
    } else if (this.waiting > this.#room + SLACK || this.#size > MAX_KEPT_BYTES) this.#thin();
    this.parts.wake();
  }

  /** Order of the first that may be delivered now; undefined when none may. */
  readyOrder(): number | undefined {
    const first = this.#waiting[this.#head]?.event;
    if (first === undefined) return undefined;
    const { subscription, clock } = this.parts;
    const { batch } = subscription;
    const now = clock.now();
    if (batch !== undefined && this.waiting < batch.count && now < first.at + batch.delayMs) {
      this.#wakeUp.at(first.at + batch.delayMs);
      return undefined;
    }
    return this.#rate.room(now) > 0 ? first.order : undefined;
  }

  /** After `readyOrder` gave one. */
  take(): Waiting {
    const { topic, subscription } = this.parts;
    const first = (this.#waiting[this.#head] as Queued<Arrived>).event;
    const { partition, key, event } = first;
    if (subscription.batch === undefined) {
      this.#given(1);
      return byValue({ kind: "event", topic, partition, seq: null, key, event });
    }
    const events: BatchEvent[] = [];
    for (const { event: next } of this.#waiting.slice(this.#head, this.#head + subscription.batch.count)) {
      if (next.partition !== partition) break;
      events.push({ seq: null, key: next.key, event: next.event });
    }
    this.#given(events.length);
    return byValue({ kind: "batch", topic, partition, events });
  }

  #given(count: number): void {
    this.#drop(count);
    this.stats.delivered += count;
    this.#rate.spend(count);
  }

  #drop(count: number): void {
    const gone = sizeOf(this.#waiting.slice(this.#head, this.#head + count));
    this.#size -= gone;
    this.#goneSize += gone;
    this.#head += count;
    const isWorthIt = this.#head >= 256 && this.#head * 2 >= this.#waiting.length;
    if (!isWorthIt && this.#goneSize < MAX_KEPT_BYTES) return;
    this.#waiting = this.#waiting.slice(this.#head);
    this.#head = 0;
    this.#goneSize = 0;
  }

  #thin(): void {
    const { kept, shed, merged } = thin({ kept: this.#waiting.slice(this.#head), tail: 0 }, this.parts.rule);
    this.#waiting = [...kept];
    this.#head = 0;
    this.#size = sizeOf(kept);
    this.#goneSize = 0;
    this.#count(shed, merged);
  }

  #count(shed: number, merged: number): void {
    this.stats.shed += shed;
    this.stats.merged += merged;
    this.parts.thinned(shed, merged);
  }
}

function byValue(delivery: Delivery): Waiting {
  return { input: { from: "ephemeral", depth: 0, delivery }, delivery, depth: 0 };
}
