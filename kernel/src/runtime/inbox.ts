/**
 * What waits for one capsule shard. Deliveries made for it alone (calls, answers, timers, ephemeral events) queue here;
 * events of durable topics stay in their partition and are pulled when there is room, so a backlog costs no memory.
 */
import type { Delivery, GivenKey, Json } from "@vnes/schemas";
import type { TurnInput } from "../ledger/record.ts";
import type { Partition } from "./partition.ts";

/** Calls beyond it are answered `CALL_INBOX_FULL`; answers, timers and the kernel's own deliveries always get in. */
export const MAX_WAITING_CALLS = 65_536;
/** An ephemeral event may be lost at any time, so a short queue is honest. */
const MAX_WAITING_EPHEMERAL = 4_096;

/** One delivery on its way through a shard. */
export interface Waiting {
  readonly input: TurnInput;
  readonly delivery: Delivery;
  /** How many calls lead here. */
  readonly depth: number;
  /** Confirms to the sender that this delivery needs no repeating. */
  readonly confirm?: () => void;
  /** Turn number, kept when the delivery is repeated. */
  turn?: number;
  /** How often it was delivered again for want of keys. */
  rounds?: number;
  /** What the latest delivery of it told the capsule. */
  ran?: { readonly at: number; readonly seed: string };
  keys?: GivenKey[];
  ranges?: string[];
}

interface Cursor {
  readonly partition: Partition;
  readonly accepts: (key: string) => boolean;
  next: number;
  fetching: boolean;
}

export class Inbox {
  readonly #wake: () => void;
  readonly #broken: (error: unknown) => void;
  readonly #cursors: Cursor[] = [];
  readonly #direct: Waiting[] = [];
  #head = 0;
  #ephemeral = 0;
  #fetched: Waiting[] = [];
  #turn = 0;

  /** `broken` is told when a partition cannot be read; that partition is not asked again. */
  constructor(wake: () => void, broken: (error: unknown) => void) {
    this.#wake = wake;
    this.#broken = broken;
  }

  get waiting(): number {
    return this.#direct.length - this.#head + this.#fetched.length;
  }

  /** Reads the partition from `next` on. `accepts` tells which keys belong to this shard. */
  subscribe(partition: Partition, next: number, accepts: (key: string) => boolean): void {
    this.#cursors.push({ partition, accepts, next, fetching: false });
    partition.onEvents(this.#wake);
  }

  /** False when there is no room; then nothing was kept. */
  push(waiting: Waiting): boolean {
    if (waiting.delivery.kind === "call" && this.waiting >= MAX_WAITING_CALLS) return false;
    if (waiting.input.from === "ephemeral") {
      if (this.#ephemeral >= MAX_WAITING_EPHEMERAL) return false;
      this.#ephemeral++;
    }
    this.#direct.push(waiting);
    this.#wake();
    return true;
  }

  /** Puts back what was taken and not run, in order, before everything else. */
  putBack(waiting: readonly Waiting[]): void {
    for (const one of waiting) if (one.input.from === "ephemeral") this.#ephemeral++;
    this.#direct.splice(0, this.#head, ...waiting);
    this.#head = 0;
    if (waiting.length > 0) this.#wake();
  }

  /** The next deliveries, at most `limit`, each with its turn number. */
  take(limit: number): Waiting[] {
    const taken: Waiting[] = [];
    while (taken.length < limit && this.#head < this.#direct.length) {
      const waiting = this.#direct[this.#head++] as Waiting;
      if (waiting.input.from === "ephemeral") this.#ephemeral--;
      taken.push(waiting);
    }
    if (this.#head > 1_024 && this.#head * 2 > this.#direct.length) {
      this.#direct.splice(0, this.#head);
      this.#head = 0;
    }
    while (taken.length < limit && this.#fetched.length > 0) taken.push(this.#fetched.shift() as Waiting);
    for (const cursor of this.#cursors) {
      if (taken.length >= limit) break;
      this.#pull(cursor, limit, taken);
    }
    for (const waiting of taken) waiting.turn ??= ++this.#turn;
    return taken;
  }

  #pull(cursor: Cursor, limit: number, taken: Waiting[]): void {
    if (cursor.fetching) return;
    while (taken.length < limit) {
      const events = cursor.partition.peek(cursor.next, limit - taken.length);
      if (events === undefined) {
        this.#fetch(cursor);
        return;
      }
      if (events.length === 0) return;
      for (const event of events) {
        cursor.next = event.seq + 1;
        if (cursor.accepts(event.key)) taken.push(fromTopic(cursor.partition, event));
      }
    }
  }

  #fetch(cursor: Cursor): void {
    cursor.fetching = true;
    cursor.partition
      .fetch(cursor.next)
      .then((events) => {
        for (const event of events) {
          cursor.next = event.seq + 1;
          if (cursor.accepts(event.key)) this.#fetched.push(fromTopic(cursor.partition, event));
        }
        cursor.fetching = false;
        this.#wake();
      })
      .catch((error: unknown) => this.#broken(error));
  }
}

function fromTopic(
  partition: Partition,
  event: { readonly seq: number; readonly key: string; readonly event: Json; readonly hash: string },
): Waiting {
  const { shard, topic, index } = partition;
  return {
    input: { from: "topic", shard, seq: event.seq, hash: event.hash },
    delivery: { kind: "event", topic, partition: index, seq: event.seq, key: event.key, event: event.event },
    depth: 0,
  };
}
