/** Connects one shard to the topics its capsule subscribes to, each as its subscription and the topic's definition say. */
import { type Subscription, subscriptionsOf } from "@vnes/schemas";
import { flowRuleOf } from "../bus/flow.ts";
import { slotOf } from "../bus/routing.ts";
import { isDurable, partitionShards, type Topic } from "../bus/topics.ts";
import type { CapsuleShard } from "./capsule-shard.ts";
import type { Capsule } from "./capsule-table.ts";
import { EphemeralQueue } from "./ephemeral-queue.ts";
import type { NodeContext } from "./node-context.ts";
import type { Partition } from "./partition.ts";
import { TopicFeed } from "./topic-feed.ts";

export function subscribeShard(
  { parts, board, flowReports: reports }: NodeContext,
  capsule: Capsule,
  shard: CapsuleShard,
  { slot, giveUp }: { readonly slot: number; giveUp(error: unknown): void },
): void {
  const { clock } = parts;
  const slots = capsule.manifest.state?.shards ?? 1;
  const accepts = slots === 1 ? undefined : (key: string): boolean => slotOf(key, slots) === slot;
  for (const subscription of subscriptionsOf(capsule.manifest)) {
    const topic = board.topics.get(subscription.topic);
    if (topic === undefined) continue;
    const rule = flowRuleOf(topic.definition.flow, subscription);
    const wake = (): void => shard.wake();
    if (!isDurable(topic)) {
      const { topic: name } = topic.definition;
      const thinned = (shed: number, merged: number): void =>
        reports.thinned(capsule.id, { topic: name, shed, merged, isEphemeral: true });
      shard.inbox.queues.set(
        name,
        new EphemeralQueue({ topic: name, subscription, rule, clock, wake, thinned }),
      );
      continue;
    }
    for (const name of partitionShards(topic)) {
      const partition = board.partitions.get(name);
      if (partition === undefined) continue;
      shard.inbox.feeds.push(
        new TopicFeed({
          partition,
          topic,
          subscription,
          rule,
          subscriber: shard.name,
          next: firstSeq(shard, partition, subscription),
          accepts,
          clock,
          gate: board.flow,
          wake,
          broken: giveUp,
          lagging: (feed) => reports.lagging(capsule.id, feed),
          thinned: (_, shed, merged) =>
            reports.thinned(capsule.id, { topic: subscription.topic, shed, merged, isEphemeral: false }),
        }),
      );
    }
  }
  for (const topic of holdingTopics(board.topics.values(), capsule))
    board.flow.addPublisher(topic, () => shard.wake());
}

/** Durable topics this capsule publishes to: while one of them has no room, the capsule gets no new events. */
export function holdingTopics(topics: Iterable<Topic>, { manifest }: Capsule): readonly string[] {
  const published = new Set(manifest.bus?.publishes ?? []);
  return [...topics].flatMap((topic) => {
    const { topic: name } = topic.definition;
    return isDurable(topic) && published.has(name) ? [name] : [];
  });
}

/** Where reading begins; a first start from now on is a record, so that a restart does not move it. */
function firstSeq(shard: CapsuleShard, { shard: name, lastSeq }: Partition, { from }: Subscription): number {
  const position = shard.state.positions.get(name);
  if (position !== undefined) return position + 1;
  if (from === "beginning") return 1;
  shard.startAt(name, lastSeq);
  return lastSeq + 1;
}
