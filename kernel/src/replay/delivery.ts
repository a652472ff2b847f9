/** What a recorded turn was told: its input by value, or made again from the events it names in another shard. */
import type { Delivery } from "@vnes/schemas";
import type { EventRecord, TopicInput, TurnInput } from "../ledger/record.ts";

/** The records of another shard that a turn's input stands for: undefined when it holds the delivery itself. */
export function referenceOf(input: TurnInput): TopicInput | undefined {
  return input.from === "topic" ? input : undefined;
}

/** Seqs of the events a topic input stands for, in order; the last of them is its own. */
export function seqsOf({ seq, batch }: TopicInput): readonly number[] {
  if (batch === undefined) return [seq];
  return batch.seqs ?? Array.from({ length: seq - batch.first + 1 }, (_, index) => batch.first + index);
}

/** `events` are the records that `seqsOf` names, in its order, all of them; none for an input by value. */
export function deliveryOf(input: TurnInput, events: readonly EventRecord[]): Delivery {
  if (input.from !== "topic") return input.delivery;
  const place = partitionOf(input.shard);
  const told = events.map(({ seq, key, event }) => ({ seq, key, event }));
  if (input.batch !== undefined) return { kind: "batch", ...place, events: told };
  const [event] = told;
  if (event === undefined) throw new Error(`no event for ${input.shard} ${input.seq}`);
  return { kind: "event", ...place, ...event };
}

/** The inverse of `topicShard`. */
function partitionOf(shard: string): { readonly topic: string; readonly partition: number } {
  const slash = shard.lastIndexOf("/");
  return { topic: shard.slice("topic/".length, slash), partition: Number(shard.slice(slash + 1)) };
}
