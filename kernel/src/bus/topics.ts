/** The topics of a node: each defined once, by its owner, with the check its events must pass. */
import type { Json, TopicDefinition } from "@vnes/schemas";
import { slotOf, stringAt, topicShard } from "./routing.ts";

/** What a compiled JSON Schema says of a value: nothing, or where and why it is refused. */
export type SchemaCheck = (value: Json) => readonly { readonly pointer: string; readonly message: string }[];

export interface Topic {
  readonly definition: TopicDefinition;
  /** Ids of the capsules that subscribe, in order. */
  readonly subscribers: readonly string[];
  readonly checks: readonly SchemaCheck[];
}

export type Topics = ReadonlyMap<string, Topic>;

/** A topic whose events are kept in a ledger partition. */
export function isDurable(topic: Topic): boolean {
  return topic.definition.quality !== "at_most_once";
}

/** The partition of an event: by the pointer the definition names, otherwise by the publisher's key. */
export function partitionOf(topic: Topic, key: string, event: Json): number {
  const { key: pointer, count } = topic.definition.partition;
  return slotOf(pointer === undefined ? key : (stringAt(event, pointer) ?? key), count);
}

export function partitionShards(topic: Topic): readonly string[] {
  const { topic: name, partition } = topic.definition;
  return Array.from({ length: partition.count }, (_, index) => topicShard(name, index));
}

/** Why an event may not be published with this key; undefined when it may. */
export function publishProblem(topic: Topic, key: string, event: Json): ReturnType<typeof eventProblem> {
  // As UTF-8 it would become another key.
  if (!key.isWellFormed()) return { pointer: "its key", message: "it holds half a surrogate pair" };
  return eventProblem(topic, event);
}

/** The first reason why no schema of the topic accepts the event; undefined when one does. */
export function eventProblem(
  topic: Topic,
  event: Json,
): { readonly pointer: string; readonly message: string } | undefined {
  let first: { readonly pointer: string; readonly message: string } | undefined;
  for (const check of topic.checks) {
    const [problem] = check(event);
    if (problem === undefined) return undefined;
    first ??= problem;
  }
  return first;
}
