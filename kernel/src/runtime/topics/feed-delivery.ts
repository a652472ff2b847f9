/** Events of a partition as the deliveries a shard runs, each with the reference its record will hold. */
import type { Queued } from "../../bus/flow.ts";
import type { TopicInput } from "../../ledger/record.ts";
import type { PartitionEvent } from "./partition-reader.ts";
import type { EventFeed, Waiting } from "../shard/waiting.ts";

/** JSON of the events of one batch, so that a batch of large events still crosses into a sandbox at once. */
export const MAX_BATCH_CHARS = 1_048_576;

type Feed = EventFeed & {
  readonly parts: {
    readonly partition: { readonly shard: string; readonly topic: string; readonly index: number };
  };
};

export function singleOf(feed: Feed, { event, skipped }: Queued<PartitionEvent>): Waiting {
  const { shard, topic, index: partition } = feed.parts.partition;
  const { seq, key, hash } = event;
  const input: TopicInput = { from: "topic", shard, seq, hash };
  return {
    input: skipped === 0 ? input : { ...input, skipped },
    delivery: { kind: "event", topic, partition, seq, key, event: event.event },
    depth: 0,
    feed,
  };
}

/** How many of the first `count` make one batch: at least one. */
export function batchSize(ready: readonly Queued<PartitionEvent>[], count: number): number {
  let chars = 0;
  let size = 0;
  for (const { event } of ready) {
    chars += JSON.stringify(event.event).length;
    if (size === count || (size > 0 && chars > MAX_BATCH_CHARS)) break;
    size++;
  }
  return size;
}

/** `queued` has at least one event. */
export function batchOf(feed: Feed, queued: readonly Queued<PartitionEvent>[]): Waiting {
  const { shard, topic, index: partition } = feed.parts.partition;
  const events = queued.map(({ event }) => event);
  const [first, last] = [events[0] as PartitionEvent, events.at(-1) as PartitionEvent];
  const isWhole = last.seq - first.seq + 1 === events.length;
  const seqs = events.map(({ seq }) => seq);
  const skipped = queued.reduce((sum, one) => sum + one.skipped, 0);
  const input: TopicInput = {
    from: "topic",
    shard,
    seq: last.seq,
    hash: last.hash,
    batch: isWhole ? { first: first.seq } : { first: first.seq, seqs },
    ...(skipped === 0 ? {} : { skipped }),
  };
  const told = events.map(({ seq, key, event }) => ({ seq, key, event }));
  const waiting: Waiting = {
    input,
    delivery: { kind: "batch", topic, partition, events: told },
    depth: 0,
    feed,
  };
  if (queued.length === 1) return waiting;
  return { ...waiting, split: () => queued.map((one) => batchOf(feed, [one])) };
}
