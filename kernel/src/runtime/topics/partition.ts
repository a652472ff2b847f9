/**
 * One topic partition: the place where the order of its events is made. Owns the partition's shard and a window of its
 * newest events; subscribers pull from it at their own pace, so a slow one costs a position, not memory.
 *
 * P1. The append alone fixes the order, the same for every subscriber and on replay.
 * P2. An effect at or below its publisher's watermark was appended before; it is confirmed and dropped.
 * P3. Nobody reads an event before it is durable.
 */
import type { Json, VnesError } from "@vnes/schemas";
import { topicErrors } from "../../bus/topic-errors.ts";
import { hex } from "../../ledger/chain.ts";
import { type EffectId, isAtOrBelow } from "../../ledger/effect-id.ts";
import { decodeRecord, type EventRecord } from "../../ledger/record.ts";
import { applyRecord, type ShardState } from "../../ledger/shard-state.ts";
import type { Clock } from "../../ports/clock.ts";
import type { LedgerStore } from "../../ports/ledger-store.ts";
import type { Counters } from "../node/counters.ts";
import { EventWindow } from "./event-window.ts";
import type { PartitionEvent, PartitionReader } from "./partition-reader.ts";
import type { ShardLog } from "../ledger/shard-log.ts";
import type { ShardSnapshots } from "../ledger/shard-snapshots.ts";

/** Enough for subscribers that keep up; the others read the store. A thousand busy partitions are 4 GiB and no more. */
const WINDOW = { events: 8_192, bytes: 4 * 1024 * 1024 } as const;
/** Read at once for a subscriber that is behind: so many events, or one more than fit into so many bytes. */
const READ = { events: 256, first: 16, bytes: 1024 * 1024 } as const;
/** Appended together: several batches of turns, far below what one append of a store may hold. */
const MOST_TOGETHER = 256;

/** Of what a fault says: it may quote an event. */
const MAX_PROBLEM_CHARS = 500;

/** An event that a publisher here has sent, durable there. */
export interface Arrived {
  readonly source: EffectId;
  readonly key: string;
  readonly event: Json;
  /** It is durable here; `lost`: it will not be. */
  done(lost?: unknown): void;
}

export class Partition implements PartitionReader {
  readonly shard: string;
  readonly topic: string;
  readonly index: number;
  readonly #log: ShardLog;
  readonly #store: LedgerStore;
  readonly #clock: Clock;
  readonly #counters: Counters;
  readonly #state: ShardState;
  readonly #snapshots: ShardSnapshots;
  #listeners: (() => void)[] = [];
  readonly #window = new EventWindow(WINDOW);
  #committed: number;
  #arrived: Arrived[] = [];
  readonly #onBroken: (problem: VnesError) => void;
  #problem: VnesError | undefined;

  constructor(parts: {
    readonly shard: string;
    readonly topic: string;
    readonly index: number;
    readonly log: ShardLog;
    readonly store: LedgerStore;
    readonly clock: Clock;
    readonly counters: Counters;
    readonly state: ShardState;
    readonly snapshots: ShardSnapshots;
    /** It takes nothing more: told once. */
    broken(problem: VnesError): void;
  }) {
    this.shard = parts.shard;
    this.topic = parts.topic;
    this.index = parts.index;
    this.#log = parts.log;
    this.#store = parts.store;
    this.#clock = parts.clock;
    this.#counters = parts.counters;
    this.#state = parts.state;
    this.#snapshots = parts.snapshots;
    this.#onBroken = (problem) => parts.broken(problem);
    this.#committed = parts.log.seq;
  }

  /** Seq of the last durable event. */
  get lastSeq(): number {
    return this.#committed;
  }

  /** An append could not even be issued: a fault in the kernel. Nothing more is taken; the next owner goes on from the log. */
  get problem(): VnesError | undefined {
    return this.#problem;
  }

  /** Called whenever there is something new to read; the returned function ends it. */
  onEvents(listener: () => void): () => void {
    this.#listeners = [...this.#listeners, listener];
    return () => {
      // A new list: the old one may be being called.
      this.#listeners = this.#listeners.filter((one) => one !== listener);
    };
  }

  /** `done` comes once the event is durable, also when it already was (P2). Events of one tick, as a batch of turns has them, go together. */
  append(arrived: Arrived): void {
    if (this.#arrived.push(arrived) > 1) return;
    queueMicrotask(() => {
      const all = this.#arrived;
      this.#arrived = [];
      for (let from = 0; from < all.length; from += MOST_TOGETHER)
        this.#appendTogether(all.slice(from, from + MOST_TOGETHER));
    });
  }

  #appendTogether(arrived: readonly Arrived[]): void {
    const records: EventRecord[] = [];
    const kept: PartitionEvent[] = [];
    this.#issued(arrived, records, kept).then(
      () => {
        this.#landed(records, kept);
        this.#tell(arrived);
      },
      (lost: unknown) => this.#tell(arrived, lost),
    );
  }

  #issued(arrived: readonly Arrived[], records: EventRecord[], kept: PartitionEvent[]): Promise<void> {
    if (this.#problem !== undefined) return Promise.reject(this.#problem);
    try {
      return this.#issue(arrived, records, kept);
    } catch (cause) {
      // What was made of them so far is in the state and not in the log: nothing may follow on that (P2).
      const problem = this.#brokenBy(cause);
      this.#problem = problem;
      this.#guard(() => this.#onBroken(problem));
      return Promise.reject(problem);
    }
  }

  #brokenBy(cause: unknown): VnesError {
    const text = cause instanceof Error ? cause.message : String(cause);
    const problem = text.slice(0, MAX_PROBLEM_CHARS).toWellFormed();
    const details = { topic: this.topic, partition: this.index, problem };
    return topicErrors.create("TOPIC_PARTITION_BROKEN", details, cause);
  }

  /** One that throws keeps nobody else from hearing. */
  #tell(arrived: readonly Arrived[], lost?: unknown): void {
    for (const one of arrived) this.#guard(() => one.done(lost));
  }

  #guard(call: () => void): void {
    try {
      call();
    } catch {
      this.#counters.add("topic.listenerFailed");
    }
  }

  /** Fills `records`, and `kept` with what readers will see of them. */
  #issue(arrived: readonly Arrived[], records: EventRecord[], kept: PartitionEvent[]): Promise<void> {
    for (const { source, key, event } of arrived) {
      if (isAtOrBelow(source, this.#state.watermarks.get(source.shard))) {
        this.#counters.add("topic.duplicatesDropped");
        continue;
      }
      const at = Math.max(this.#state.at, this.#clock.now());
      const seq = this.#log.seq + records.length + 1;
      const snapshot = this.#snapshots.ready();
      const known = { v: 1, kind: "event", seq, at, source, key, event } as const;
      const record: EventRecord = snapshot === undefined ? known : { ...known, snapshot };
      applyRecord(this.#state, record);
      records.push(record);
    }
    if (records.length === 0) return this.#log.durable();
    return this.#log.append(records, ({ seq, key, event }, hash, size) =>
      kept.push({ seq, key, event, hash: hex(hash), size }),
    );
  }

  #landed(records: readonly EventRecord[], kept: readonly PartitionEvent[]): void {
    for (const event of kept) {
      this.#committed = event.seq;
      this.#window.push(event);
    }
    for (const { seq, snapshot } of records)
      if (snapshot !== undefined) this.#snapshots.landed(seq, snapshot);
    if (kept.length > 0) for (const listener of this.#listeners) this.#guard(listener);
  }

  /** Durable events from `from` on, at most `limit`; undefined when they have left the window and `fetch` must be used. */
  peek(from: number, limit: number): readonly PartitionEvent[] | undefined {
    if (from > this.#committed) return [];
    return this.#window.peek(from, limit);
  }

  /** The same from the store. */
  async fetch(from: number): Promise<readonly PartitionEvent[]> {
    const events: PartitionEvent[] = [];
    let size = 0;
    // How many fit is known once a few were seen.
    for (let limit: number = READ.first; limit > 0; limit = roomFor(events.length, size)) {
      const stored = await this.#store.read(this.shard, (events.at(-1)?.seq ?? from - 1) + 1, limit);
      for (const { seq, bytes, hash } of stored) {
        if (seq > this.#committed) return events;
        const record = decodeRecord(this.shard, seq, bytes);
        if (record.kind !== "event") continue;
        size += bytes.length;
        events.push({ seq, key: record.key, event: record.event, hash: hex(hash), size: bytes.length });
      }
      if (stored.length < limit) break;
    }
    return events;
  }
}

/** Events to read on, when `count` of `size` bytes were read. */
function roomFor(count: number, size: number): number {
  if (size >= READ.bytes) return 0;
  return Math.min(READ.events - count, Math.ceil((READ.bytes - size) / (size / count)));
}
