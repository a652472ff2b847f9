/** Who publishes and subscribes to what, read from manifests and topic definitions, for checks that must know what should have come. */
import { type Json, type Manifest, type TopicDefinition, topicsSubscribed } from "@vnes/schemas";
import { slotOf, topicShard } from "../../kernel/src/bus/routing.ts";
import { partitionOf } from "../../kernel/src/bus/topics.ts";

export interface Subscriber {
  readonly capsule: string;
  readonly slots: number;
}

export interface Topic {
  readonly definition: TopicDefinition;
  readonly subscribers: readonly Subscriber[];
}

export interface Topology {
  /** Those whose events are kept. */
  readonly topics: ReadonlyMap<string, Topic>;
  /** The `at_most_once` topics: no shard has their events. */
  readonly unkept: ReadonlyMap<string, Topic>;
}

export function topologyOf(
  manifests: readonly Manifest[],
  definitions: readonly TopicDefinition[],
): Topology {
  const topics = new Map<string, Topic>();
  const unkept = new Map<string, Topic>();
  for (const definition of definitions) {
    const subscribers = manifests
      .filter((manifest) => topicsSubscribed(manifest).includes(definition.topic))
      .map(({ id, state }) => ({ capsule: id, slots: state?.shards ?? 1 }));
    const kind = definition.quality === "at_most_once" ? unkept : topics;
    kind.set(definition.topic, { definition, subscribers });
  }
  return { topics, unkept };
}

export function partitionShardOf({ definition }: Topic, key: string, event: Json): string {
  const index = partitionOf({ definition, subscribers: [], checks: [] }, key, event);
  return topicShard(definition.topic, index);
}

export function partitionsOf({ definition }: Topic): readonly string[] {
  return Array.from({ length: definition.partition.count }, (_, index) =>
    topicShard(definition.topic, index),
  );
}

export function accepts({ slots }: Subscriber, slot: number, key: string): boolean {
  return slotOf(key, slots) === slot;
}
