/**
 * The letter for a kept event that a subscriber could not take. It is an effect of the failed turn's own record, so there is
 * exactly one for each such turn, whatever crashes when.
 */
import type { Delivery, Effect } from "@vnes/schemas";
import { DEADLETTER_TOPIC } from "./kernel-topics.ts";
import { topicShard } from "./routing.ts";
import type { Topics } from "./topics.ts";

const MAX_MESSAGE = 2_000;

/** Undefined for anything but an event of a durable topic, and for a letter itself: one that cannot be read makes no other. */
export function deadLetterOf(
  delivery: Delivery,
  failure: { readonly code: string; readonly message: string },
  about: { readonly subscriber: string; readonly attempts: number; readonly at: number },
  topics: Topics,
): Effect | undefined {
  if (delivery.kind !== "event" && delivery.kind !== "batch") return undefined;
  const { topic, partition } = delivery;
  if (topic === DEADLETTER_TOPIC || !topics.has(DEADLETTER_TOPIC)) return undefined;
  const [{ seq, key }] =
    delivery.kind === "event" ? [delivery] : (delivery.events as [(typeof delivery.events)[0]]);
  if (seq === null) return undefined;
  const { code } = failure;
  const { subscriber, attempts, at } = about;
  const event = {
    subscriber,
    topic,
    partition,
    shard: topicShard(topic, partition),
    seq,
    key: key.slice(0, 512),
    code,
    message: failure.message.slice(0, MAX_MESSAGE),
    attempts,
    at,
  };
  return { do: "publish", topic: DEADLETTER_TOPIC, key: topic, event };
}
