/** What a person can see of a node's topics and do with them. */
import type { Json, QualityOfService, TopicDefinition } from "@vnes/schemas";

/** Counts are since the node booted. */
export interface SubscriberCounts {
  /** Events not taken yet. */
  readonly lag: number;
  readonly delivered: number;
  readonly shed: number;
  readonly merged: number;
  /** Of those shed and merged: no record says so yet, so the next boot would judge them again. */
  readonly unrecorded: number;
  readonly retried: number;
  readonly deadLetters: number;
}

export interface TopicSummary {
  readonly topic: string;
  readonly version: number;
  readonly owner: string;
  readonly quality: QualityOfService;
  readonly policy: string;
  readonly partitions: number;
  /** Written in all over all partitions, trimmed ones included; null where none are kept. */
  readonly events: number | null;
  /** Those of them that were not trimmed. */
  readonly kept: number | null;
  /** True while it holds its publishers back. */
  readonly held: boolean;
  readonly subscribers: readonly (SubscriberCounts & { readonly capsule: string })[];
}

/** One partition as one shard reads it. */
export interface SubscriberPlace extends SubscriberCounts {
  readonly capsule: string;
  readonly shard: string;
  /** Null for an ephemeral topic, whose queue takes all of them. */
  readonly partition: number | null;
  /** Seq of the last event whose turn is recorded. */
  readonly position: number | null;
  readonly buffer: number;
  /** What counts now: the topic's policy, or what a policy capsule decided. */
  readonly policy: string;
  /** The capability that decided it, until the subscriber has caught up; null: it is the topic's own. */
  readonly decidedBy: string | null;
  readonly ratePerS: number | null;
  readonly batch: { readonly count: number; readonly delayMs: number } | null;
}

export interface TopicView extends TopicSummary {
  readonly definition: TopicDefinition;
  /** Seq of the last event of each partition; empty where none are kept. */
  readonly lastSeqs: readonly number[];
  /** Seq of the oldest event that is kept, 0 where there was none yet. */
  readonly firstSeqs: readonly number[];
  readonly places: readonly SubscriberPlace[];
}

export interface KeptEvent {
  readonly partition: number;
  readonly seq: number;
  readonly at: number;
  readonly key: string;
  readonly event: Json;
  /** Who published it: shard, record and effect. */
  readonly source: string;
}

export interface EventPage {
  readonly events: readonly KeptEvent[];
  /** Seq to read on from. */
  readonly next: number;
  /** Seq of the last event there is. */
  readonly last: number;
}

/** A place in a partition: a seq, or the first event at or after a node time. */
export type EventPlace = { readonly seq: number } | { readonly time: number };

export interface TopicControl {
  list(): Promise<readonly TopicSummary[]>;
  /** Rejects with `TOPIC_UNKNOWN`. */
  show(topic: string): Promise<TopicView>;
  /** Events in order; waits up to `waitMs` for the first. Rejects with `TOPIC_NOT_KEPT` or `TOPIC_PARTITION_UNKNOWN`. */
  read(options: {
    readonly topic: string;
    readonly partition: number;
    readonly from: EventPlace;
    readonly limit: number;
    readonly waitMs: number;
  }): Promise<EventPage>;
  /** Resolves once the event is in its partition. Rejects with `TOPIC_EVENT_INVALID`, `TOPIC_OF_KERNEL`, `TOPIC_HELD` or `TOPIC_PARTITION_BROKEN`. */
  publish(
    topic: string,
    key: string,
    event: Json,
  ): Promise<{ readonly partition: number; readonly source: string | null }>;
  /**
   * Delivers kept events to a subscriber again: its turns run again with all they bring about. Resolves once the new
   * positions are durable. Rejects with `TOPIC_NOT_SUBSCRIBED`.
   */
  replay(options: {
    readonly topic: string;
    readonly capsule: string;
    readonly from: EventPlace;
    readonly partition: number | undefined;
  }): Promise<
    readonly {
      readonly shard: string;
      readonly partition: number;
      readonly from: number;
      readonly events: number;
    }[]
  >;
}
