/** What a recorded turn was told: its input by value, or the event it names in another shard. */
import type { Delivery } from "@vnes/schemas";
import type { EventRecord, TurnInput } from "../ledger/record.ts";

/** One record of another shard that a turn's input stands for. */
export interface EventReference {
  readonly shard: string;
  readonly seq: number;
  /** Hex of the record's chain hash. */
  readonly hash: string;
}

/** Undefined when the record holds the delivery itself. */
export function referenceOf(input: TurnInput): EventReference | undefined {
  return input.from === "topic" ? input : undefined;
}

/** `event` is the record of `referenceOf(input)`, which must be there when that is not undefined. */
export function deliveryOf(input: TurnInput, event: EventRecord | undefined): Delivery {
  if (input.from !== "topic") return input.delivery;
  if (event === undefined) throw new Error(`no event for ${input.shard} ${input.seq}`);
  const { topic, partition } = partitionOf(input.shard);
  return { kind: "event", topic, partition, seq: input.seq, key: event.key, event: event.event };
}

/** The inverse of `topicShard`. */
function partitionOf(shard: string): { readonly topic: string; readonly partition: number } {
  const slash = shard.lastIndexOf("/");
  return { topic: shard.slice("topic/".length, slash), partition: Number(shard.slice(slash + 1)) };
}
