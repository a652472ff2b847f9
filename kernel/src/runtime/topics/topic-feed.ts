/**
 * One partition of a durable topic as one shard reads it: the place it has read to, what the subscription asks for (rate,
 * batches), and what the flow policy does when it lags. Events stay in the ledger until they are asked for.
 *
 * T1. Events are given in the order of the partition. One that is tried again holds back what is behind it in this partition,
 *     and nothing else.
 * T2. Kept in memory are at most what the flow policy lets wait, one page of the store, and what was given back: all of it
 *     bounded by bytes as well as by count.
 * T3. What the policy takes out is counted here and in the record of the next turn.
 */
import { type FlowRule, MAX_KEPT, type Queued, sizeOf, thin } from "../../bus/flow.ts";
import { batchOf, batchSize, MAX_BATCH_CHARS, singleOf } from "./feed-delivery.ts";
import { HeldEvents } from "../ledger/held-events.ts";
import type { PartitionEvent } from "./partition-reader.ts";
import { RateLimit } from "../node/rate-limit.ts";
import type { TopicFeedParts } from "./topic-feed-parts.ts";
import { WakeUp } from "../shard/wake-up.ts";
import type { EventFeed, Waiting } from "../shard/waiting.ts";

/** Read from a backlog at once. */
const PAGE_EVENTS = 256;
/** The most that one turn is given, whatever a policy merges. */
const MAX_BATCH = 1_000;

export class TopicFeed implements EventFeed {
  readonly parts: TopicFeedParts;
  readonly stats = { delivered: 0, shed: 0, merged: 0, retried: 0, deadLetters: 0 };
  /** What counts now: the topic's own policy, or what a policy capsule decided. */
  rule: FlowRule;
  #next: number;
  /** Seq of the last event read that belongs to this shard. */
  #accepted = 0;
  #ready: Queued<PartitionEvent>[] = [];
  #skipped = 0;
  #readySince = 0;
  readonly #held: HeldEvents;
  readonly #rate: RateLimit;
  #thinTo = 0;
  #isFetching = false;
  #isActive = false;
  #isLagging = false;
  #isHolding = false;
  readonly #gateId: string;
  /** Raised by `moveTo`: a page asked for before is of no use. */
  #generation = 0;
  readonly #wakeUp: WakeUp;

  constructor(parts: TopicFeedParts) {
    this.parts = parts;
    this.rule = parts.rule;
    this.#next = parts.next;
    this.#gateId = `${parts.subscriber} ${parts.partition.index}`;
    this.#wakeUp = new WakeUp(parts.clock, () => parts.wake());
    this.#held = new HeldEvents(this.#wakeUp);
    this.#rate = new RateLimit(parts.subscription.ratePerS, this.#wakeUp);
    parts.partition.onEvents(() => {
      this.#measure();
      parts.wake();
    });
  }

  get retries(): number {
    return this.parts.subscription.retries;
  }

  get isHolding(): boolean {
    return this.#held.count > 0;
  }

  /** Events it has not given out yet; where a shard has a part of the keys only, events of others count along. */
  get lag(): number {
    return Math.max(0, this.parts.partition.lastSeq - this.#next + 1) + this.#ready.length + this.#held.count;
  }

  /** The last event there is no turn to run for any more, when the shard's records hold `position`: events of others count too. */
  consumed(position: number): number {
    return this.#accepted <= position ? Math.max(this.#next - 1, position) : position;
  }

  /** Kept in memory. */
  get waiting(): number {
    return this.#ready.length + this.#held.count;
  }

  /** Taken out, and to be told by the record of an event that comes behind: until then only this run of the node knows (T3). */
  get unrecorded(): number {
    return this.#ready.reduce((sum, { skipped }) => sum + skipped, this.#skipped + this.#held.skipped);
  }

  /** The capability that decided what counts now; null: the topic's own policy does. */
  get decidedBy(): string | null {
    const { rule, topic } = this.parts;
    return this.rule === rule ? null : (topic.definition.flow.decided_by ?? null);
  }

  note(what: "retried" | "deadLetters"): void {
    this.stats[what]++;
  }

  /** What counts until the feed has caught up; false when it has already. */
  decide(rule: FlowRule): boolean {
    if (!this.#isLagging) return false;
    this.rule = rule;
    this.#measure();
    this.parts.wake();
    return true;
  }

  /** While inactive it holds nobody back: its events are safe in the ledger. */
  setActive(isActive: boolean): void {
    this.#isActive = isActive;
    this.#measure();
  }

  /** Reads on from `next`, whatever was read before. */
  moveTo(next: number): void {
    this.#generation++;
    this.#isFetching = false;
    this.#next = next;
    this.#ready = [];
    this.#held.clear();
    this.#skipped = 0;
    this.#thinTo = 0;
    this.#measure();
  }

  hold(waiting: readonly Waiting[], at: number): void {
    this.#held.hold(waiting, at);
  }

  holdBehind(waiting: Waiting): void {
    this.#held.holdBehind(waiting);
  }

  /** Puts what may be delivered now behind `out`, which then has at most `limit`. */
  take(limit: number, out: Waiting[]): void {
    const now = this.parts.clock.now();
    this.#held.take(limit, now, out);
    if (this.#held.count > 0) return;
    if (out.length < limit) this.#takeReady(limit, now, out);
    this.#measure();
  }

  #takeReady(limit: number, now: number, out: Waiting[]): void {
    this.#thinBacklog();
    while (out.length < limit && !this.#isFetching) {
      const room = Math.min(limit - out.length, this.#rate.room(now));
      if (room === 0) return;
      const { batch } = this.parts.subscription;
      const given = batch === undefined ? this.#takeEvents(room, out) : this.#takeBatch(now, out);
      if (given === 0) return;
      this.stats.delivered += given;
      this.#rate.spend(given);
    }
  }

  /** Single events; how many were given. */
  #takeEvents(limit: number, out: Waiting[]): number {
    if (this.#ready.length === 0) this.#pull(limit);
    const taken = this.#ready.splice(0, limit);
    for (const queued of taken) out.push(singleOf(this, queued));
    return taken.length;
  }

  /** One batch when it is full or old enough; how many events it has. */
  #takeBatch(now: number, out: Waiting[]): number {
    const { count, delayMs } = this.#batchRule();
    if (!this.#isFull(count)) this.#pull(count - this.#ready.length);
    if (this.#isFetching || this.#ready.length === 0) return 0;
    if (!this.#isFull(count) && now < this.#readySince + delayMs) {
      this.#wakeUp.at(this.#readySince + delayMs);
      return 0;
    }
    const isMerging = this.#isMerging;
    const taken = this.#ready.splice(0, batchSize(this.#ready, count));
    this.#readySince = now;
    if (isMerging && taken.length > 1) this.#count(0, taken.length - 1);
    out.push(batchOf(this, taken));
    return taken.length;
  }

  /** What waits is a batch, by count or by size. */
  #isFull(count: number): boolean {
    return this.#ready.length >= count || sizeOf(this.#ready) >= MAX_BATCH_CHARS;
  }

  /** A subscriber of batches that lags under `aggregate: batch` gets what waits at once. */
  #batchRule(): { readonly count: number; readonly delayMs: number } {
    const { count = 1, delayMs = 0 } = this.parts.subscription.batch ?? {};
    if (!this.#isMerging) return { count, delayMs };
    return { count: Math.min(MAX_BATCH, Math.max(count, this.lag)), delayMs: 0 };
  }

  get #isMerging(): boolean {
    return this.rule.policy === "aggregate" && this.rule.aggregate === "batch" && this.lag > this.rule.buffer;
  }

  /** Moves up to `limit` events of this shard to what is ready, or begins to read them from the store; large ones are fewer. */
  #pull(limit: number): void {
    const { partition, clock } = this.parts;
    const before = this.#ready.length;
    while (this.#ready.length - before < limit && sizeOf(this.#ready) < MAX_BATCH_CHARS) {
      const events = partition.peek(this.#next, limit - (this.#ready.length - before));
      if (events === undefined) {
        this.#fetch();
        break;
      }
      if (events.length === 0) break;
      this.#add(events);
    }
    if (before === 0 && this.#ready.length > 0) this.#readySince = clock.now();
  }

  #add(events: readonly PartitionEvent[]): void {
    const { accepts } = this.parts;
    for (const event of events) {
      this.#next = event.seq + 1;
      if (accepts !== undefined && !accepts(event.key)) continue;
      this.#accepted = event.seq;
      this.#ready.push({ event, skipped: this.#skipped });
      this.#skipped = 0;
    }
  }

  #fetch(): void {
    const { partition, wake, broken } = this.parts;
    const generation = this.#generation;
    this.#isFetching = true;
    partition.fetch(this.#next).then(
      (events) => {
        if (generation !== this.#generation) return;
        this.#isFetching = false;
        if (this.#ready.length === 0) this.#readySince = this.parts.clock.now();
        this.#add(events);
        if (this.#thinTo > 0) this.#thin();
        wake();
      },
      (error: unknown) => {
        if (generation === this.#generation) broken(error);
      },
    );
  }

  // --- when it lags ----------------------------------------------------------------------------------------------

  /** Goes through what waits and takes out what the policy says, a page at a time. */
  #thinBacklog(): void {
    const { partition } = this.parts;
    if (this.#thinTo === 0) {
      if (!this.#mustThin()) return;
      this.#thinTo = partition.lastSeq;
      this.#skipUnread();
    }
    while (this.#next <= this.#thinTo) {
      if (this.#isFetching) return;
      const events = partition.peek(this.#next, Math.min(PAGE_EVENTS, this.#thinTo - this.#next + 1));
      if (events === undefined) {
        this.#fetch();
        return;
      }
      if (events.length === 0) break;
      this.#add(events);
      this.#thin();
    }
    this.#thinTo = 0;
    this.#thin();
  }

  #mustThin(): boolean {
    const { policy, aggregate, buffer } = this.rule;
    if (policy === "block" || (policy === "aggregate" && aggregate === "batch")) return false;
    return this.lag - this.#held.count > buffer;
  }

  /** Dropping the oldest needs no reading where every event is this shard's. */
  #skipUnread(): void {
    const { policy, shed, buffer } = this.rule;
    if (policy !== "shed" || shed !== "oldest" || this.parts.accepts !== undefined) return;
    const from = this.#thinTo - Math.min(buffer, MAX_KEPT) + 1;
    if (from <= this.#next) return;
    const dropped = from - this.#next + this.#ready.length;
    this.#skipped += this.#ready.reduce((sum, { skipped }) => sum + skipped, dropped);
    this.#ready = [];
    this.#next = from;
    this.#count(dropped, 0);
  }

  #thin(): void {
    const { kept, tail, shed, merged } = thin({ kept: this.#ready, tail: this.#skipped }, this.rule);
    if (shed + merged === 0) return;
    this.#ready = [...kept];
    this.#skipped = tail;
    this.#count(shed, merged);
  }

  #count(shed: number, merged: number): void {
    this.stats.shed += shed;
    this.stats.merged += merged;
    this.parts.thinned(this, shed, merged);
  }

  /** Holds the publishers back when the policy says so, and lets them go on once half of the buffer is free. */
  #measure(): void {
    const { policy, buffer } = this.rule;
    this.#isLagging = this.#isActive && this.lag > (this.#isLagging ? buffer / 2 : buffer);
    if (this.#isLagging) this.parts.lagging(this);
    else this.rule = this.parts.rule;
    const holds = this.#isLagging && policy === "block";
    if (holds === this.#isHolding) return;
    this.#isHolding = holds;
    this.parts.gate.set(this.parts.topic.definition.topic, this.#gateId, holds);
  }
}
