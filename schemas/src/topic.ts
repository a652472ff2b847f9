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
  readonly flow: { readonly policy: "block" | "shed" | "aggregate"; readonly buffer: number };
}
