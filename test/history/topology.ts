/** Who publishes and subscribes to what, read from manifests and topic definitions, for checks that must know what should have come. */
import { type Json, type Manifest, type TopicDefinition, topicsSubscribed } from "@vnes/schemas";
import { slotOf, topicShard } from "../../kernel/src/bus/routing.ts";
import { partitionOf } from "../../kernel/src/bus/topics.ts";

export interface Subscriber {
  readonly capsule: string;
  readonly slots: number;
}

export interface DurableTopic {
  readonly definition: TopicDefinition;
  readonly subscribers: readonly Subscriber[];
}

export interface Topology {
  readonly topics: ReadonlyMap<string, DurableTopic>;
  /** Subscribers of the `at_most_once` topics, whose events are in no partition. */
  readonly unkept: ReadonlyMap<string, readonly Subscriber[]>;
}

export function topologyOf(
  manifests: readonly Manifest[],
  definitions: readonly TopicDefinition[],
): Topology {
  const topics = new Map<string, DurableTopic>();
  const unkept = new Map<string, readonly Subscriber[]>();
  for (const definition of definitions) {
    const subscribers = manifests
      .filter((manifest) => topicsSubscribed(manifest).includes(definition.topic))
      .map(({ id, state }) => ({ capsule: id, slots: state?.shards ?? 1 }));
    if (definition.quality === "at_most_once") unkept.set(definition.topic, subscribers);
    else topics.set(definition.topic, { definition, subscribers });
  }
  return { topics, unkept };
}

export function partitionShardOf({ definition }: DurableTopic, key: string, event: Json): string {
  const index = partitionOf({ definition, subscribers: [], checks: [] }, key, event);
  return topicShard(definition.topic, index);
}

export function partitionsOf({ definition }: DurableTopic): readonly string[] {
  return Array.from({ length: definition.partition.count }, (_, index) =>
    topicShard(definition.topic, index),
  );
}

export function accepts({ slots }: Subscriber, slot: number, key: string): boolean {
  return slotOf(key, slots) === slot;
}
