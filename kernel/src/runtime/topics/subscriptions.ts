/** Connects one shard to the topics its capsule subscribes to, each as its subscription and the topic's definition say. */
import { subscriptionsOf } from "@vnes/schemas";
import { flowRuleOf } from "../../bus/flow.ts";
import { slotOf } from "../../bus/routing.ts";
import { isDurable, partitionShards, type Topic } from "../../bus/topics.ts";
import type { CapsuleShard } from "../shard/capsule-shard.ts";
import type { Capsule } from "../node/capsule-table.ts";
import { EphemeralQueue } from "../shard/ephemeral-queue.ts";
import type { NodeContext } from "../node/node-context.ts";
import type { PartitionReader } from "./partition-reader.ts";
import { TopicFeed } from "./topic-feed.ts";

export function subscribeShard(
  { parts, board, flowReports: reports, remote }: NodeContext,
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
    for (const [index, name] of partitionShards(topic).entries()) {
      const elsewhere = remote?.partition(name, subscription.topic, index);
      const partition = board.partitions.get(name) ?? elsewhere;
      if (partition === undefined) continue;
      const read = (next: number): void =>
        shard.inbox.addFeed(
          new TopicFeed({
            partition,
            topic,
            subscription,
            rule,
            subscriber: shard.name,
            next,
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
      const position = shard.state.positions.get(name);
      if (position !== undefined) read(position + 1);
      else if (subscription.from === "beginning") read(1);
      else if (elsewhere !== undefined) void elsewhere.askLastSeq().then((last) => read(last + 1));
      else read(fromNow(shard, partition));
    }
  }
  for (const topic of holdingTopics(board.topics.values(), capsule))
    board.flow.addPublisher(topic, () => shard.wake());
}

/** By partition subscribed to: the last event the shard has no turn to run for any more, by the records it has. */
export function consumedOf({ inbox, state }: CapsuleShard): { readonly [partition: string]: number } {
  return Object.fromEntries(
    inbox.feeds.map((feed) => {
      const { shard } = feed.parts.partition;
      return [shard, feed.consumed(state.positions.get(shard) ?? 0)];
    }),
  );
}

/** Durable topics this capsule publishes to: while one of them has no room, the capsule gets no new events. */
export function holdingTopics(topics: Iterable<Topic>, { manifest }: Capsule): readonly string[] {
  const published = new Set(manifest.bus?.publishes ?? []);
  return [...topics].flatMap((topic) => {
    const { topic: name } = topic.definition;
    return isDurable(topic) && published.has(name) ? [name] : [];
  });
}

/** A first start from now on is a record, so that a restart does not move it. */
function fromNow(shard: CapsuleShard, { shard: name, lastSeq }: PartitionReader): number {
  shard.startAt(name, lastSeq);
  return lastSeq + 1;
}
