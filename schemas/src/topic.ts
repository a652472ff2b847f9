/** A topic definition, `spec/topics/<name>.json` of its owner. Schema: `schemas/topic.schema.json`. */
import type { JsonObject } from "./json.ts";

export type QualityOfService = "at_most_once" | "at_least_once" | "exactly_once";

export interface TopicDefinition {
  readonly schema_version: "v1";
  /** `name.vN`, such as `vpn.session.v1`. */
  readonly topic: string;
  /** The capsule that defines it; a second definition must be byte-equal. */
  readonly owner: string;
  readonly description: string;
  /** An event must satisfy at least one. */
  readonly schemas: readonly JsonObject[];
  readonly partition: {
    /** JSON pointer into the event, or absent: the publisher's key. */
    readonly key?: string;
    readonly count: number;
  };
  readonly quality: QualityOfService;
  readonly retention: { readonly max_events?: number; readonly max_age_ms?: number };
  readonly flow: FlowPolicy;
}

export type Shed = "oldest" | "newest" | "lowest_priority";
export type Aggregate = "latest_per_key" | "batch";

/** What a subscriber gets that falls more than `buffer` events behind. */
export interface FlowPolicy {
  readonly policy: "block" | "shed" | "aggregate";
  readonly buffer: number;
  /** Of policy `shed`; absent: `newest`. */
  readonly shed?: Shed;
  /** JSON pointer to the number `lowest_priority` goes by. */
  readonly priority?: string;
  /** Of policy `aggregate`; absent: `latest_per_key`. */
  readonly aggregate?: Aggregate;
  /** Capability that is asked instead; without an answer the fields above count. */
  readonly decided_by?: string;
}
