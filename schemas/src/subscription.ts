/** One entry of `bus.subscribes`, as an author writes it and as the kernel reads it. */
import type { Manifest } from "./manifest.ts";

/** In the manifest: the topic alone stands for an entry with nothing but its topic. */
export interface SubscriptionEntry {
  readonly topic: string;
  readonly batch?: { readonly count: number; readonly delay_ms?: number };
  readonly rate_per_s?: number;
  readonly buffer?: number;
  readonly retries?: number;
  readonly from?: "beginning" | "now";
}

export interface Subscription {
  readonly topic: string;
  /** Ordered events that make one turn; undefined: one event, one turn. */
  readonly batch: { readonly count: number; readonly delayMs: number } | undefined;
  readonly ratePerS: number | undefined;
  /** Events that may wait; undefined: what the topic's definition says. */
  readonly buffer: number | undefined;
  readonly retries: number;
  readonly from: "beginning" | "now";
}

/** Three more tries span about a second of back-off: enough for a busy machine, and no hold-up of what is behind. */
const DEFAULT_RETRIES = 3;

/** The subscriptions of a manifest in its order, every default filled in. */
export function subscriptionsOf({ bus }: Pick<Manifest, "bus">): readonly Subscription[] {
  return (bus?.subscribes ?? []).map((entry) => {
    const { topic, batch, rate_per_s, buffer, retries, from }: SubscriptionEntry =
      typeof entry === "string" ? { topic: entry } : entry;
    return {
      topic,
      batch: batch === undefined ? undefined : { count: batch.count, delayMs: batch.delay_ms ?? 0 },
      ratePerS: rate_per_s,
      buffer,
      retries: retries ?? DEFAULT_RETRIES,
      from: from ?? "beginning",
    };
  });
}

/** Names of the topics a manifest subscribes to. */
export function topicsSubscribed(manifest: Pick<Manifest, "bus">): readonly string[] {
  return (manifest.bus?.subscribes ?? []).map((entry) => (typeof entry === "string" ? entry : entry.topic));
}
