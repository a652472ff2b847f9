/** What a feed is given: its partition, its subscription, and whom it tells. */
import type { Subscription } from "@vnes/schemas";
import type { FlowRule } from "../../bus/flow.ts";
import type { Topic } from "../../bus/topics.ts";
import type { Clock } from "../../ports/clock.ts";
import type { FlowGate } from "./flow-gate.ts";
import type { PartitionReader } from "./partition-reader.ts";
import type { TopicFeed } from "./topic-feed.ts";

export interface TopicFeedParts {
  readonly partition: PartitionReader;
  readonly topic: Topic;
  readonly subscription: Subscription;
  readonly rule: FlowRule;
  /** Shard that reads. */
  readonly subscriber: string;
  /** Seq of the first event to read. */
  readonly next: number;
  /** Which keys belong to the shard; undefined: all. */
  readonly accepts: ((key: string) => boolean) | undefined;
  readonly clock: Clock;
  readonly gate: FlowGate;
  wake(): void;
  /** The partition cannot be read. */
  broken(error: unknown): void;
  /** The feed lags: somebody may want to decide what happens. */
  lagging(feed: TopicFeed): void;
  /** The policy took out that many. */
  thinned(feed: TopicFeed, shed: number, merged: number): void;
}
