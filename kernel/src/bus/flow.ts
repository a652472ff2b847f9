/**
 * What becomes of events that wait for a subscriber: how many it may take now, when it lags, and what is taken out when more
 * wait than it can hold.
 *
 * F1. What is kept stays in the order of the partition.
 * F2. Every event that is taken out is counted in the `skipped` of what is delivered next.
 * F3. Whatever the rule, no more than its buffer is kept, and no more than `MAX_KEPT_BYTES`.
 */
import type { Aggregate, FlowPolicy, Json, Shed, Subscription } from "@vnes/schemas";

/** Events kept in the kernel's memory for one subscriber, whatever buffer it asks for: the rest is in the ledger. */
export const MAX_KEPT = 4_096;
/** The same in bytes: 4 KiB each. Events may have a megabyte, and a node has many subscribers. */
export const MAX_KEPT_BYTES: number = 16 * 1024 * 1024;

export interface FlowRule {
  readonly policy: FlowPolicy["policy"];
  /** Events that may wait; above it the subscriber lags. */
  readonly buffer: number;
  readonly shed: Shed;
  /** JSON pointer to the number that `lowest_priority` goes by. */
  readonly priority: string | undefined;
  readonly aggregate: Aggregate;
}

export function flowRuleOf(flow: FlowPolicy, { buffer }: Pick<Subscription, "buffer">): FlowRule {
  return {
    policy: flow.policy,
    buffer: buffer ?? flow.buffer,
    shed: flow.shed ?? "newest",
    priority: flow.priority,
    aggregate: flow.aggregate ?? "latest_per_key",
  };
}

/** An event that waits, and how many before it were taken out since the one in front of it. */
export interface Queued<E> {
  readonly event: E;
  readonly skipped: number;
}

export interface Queue<E> {
  readonly kept: readonly Queued<E>[];
  /** Taken out behind the last that is kept. */
  readonly tail: number;
}

export interface Thinned<E> extends Queue<E> {
  readonly shed: number;
  /** Taken out because a later event of the same key stands for them. */
  readonly merged: number;
}

interface Keyed {
  readonly key: string;
  readonly event: Json;
  readonly size: number;
}

/** Takes out what is too much (F1-F3); what is not too much comes back as it is. */
export function thin<E extends Keyed>(queue: Queue<E>, rule: FlowRule): Thinned<E> {
  const { kept } = queue;
  const room = Math.min(rule.buffer, MAX_KEPT);
  if (kept.length <= room && sizeOf(kept) <= MAX_KEPT_BYTES) return { ...queue, shed: 0, merged: 0 };
  const stays = kept.map(() => true);
  const merged = rule.policy === "aggregate" ? dropReplaced(kept, stays) : 0;
  // What has no room even so: an aggregate drops its oldest, since it promises the latest.
  const which = rule.policy === "aggregate" ? "oldest" : rule.shed;
  const shed = dropExcess(kept, stays, room, which, rule.priority);
  return { ...without(queue, stays), shed, merged };
}

/** Marks every event that a later one of its key replaces; how many that are. */
function dropReplaced<E extends Keyed>(kept: readonly Queued<E>[], stays: boolean[]): number {
  const seen = new Set<string>();
  let dropped = 0;
  for (let index = kept.length - 1; index >= 0; index--) {
    const { key } = (kept[index] as Queued<E>).event;
    if (seen.has(key)) {
      stays[index] = false;
      dropped++;
    }
    seen.add(key);
  }
  return dropped;
}

/** Until no more than `room` stay, nor more than `MAX_KEPT_BYTES`; one stays, however large. How many it dropped. */
function dropExcess<E extends Keyed>(
  kept: readonly Queued<E>[],
  stays: boolean[],
  room: number,
  which: Shed,
  priority: string | undefined,
): number {
  const candidates = kept.flatMap((_, index) => (stays[index] === true ? [index] : []));
  let size = candidates.reduce((sum, index) => sum + (kept[index] as Queued<E>).event.size, 0);
  if (candidates.length <= room && size <= MAX_KEPT_BYTES) return 0;
  if (which === "newest") candidates.reverse();
  // Of equal priority the newest goes: the sort is stable.
  else if (which === "lowest_priority") {
    const rank = kept.map(({ event }) => priorityOf(event.event, priority));
    candidates.reverse().sort((a, b) => (rank[a] as number) - (rank[b] as number));
  }
  let dropped = 0;
  for (const index of candidates.slice(0, -1)) {
    if (candidates.length - dropped <= room && size <= MAX_KEPT_BYTES) break;
    stays[index] = false;
    size -= (kept[index] as Queued<E>).event.size;
    dropped++;
  }
  return dropped;
}

export function sizeOf(kept: readonly Queued<{ readonly size: number }>[]): number {
  let size = 0;
  for (const { event } of kept) size += event.size;
  return size;
}

/** F2: what goes is added to what comes behind it. */
function without<E>({ kept, tail }: Queue<E>, stays: readonly boolean[]): Queue<E> {
  const left: Queued<E>[] = [];
  let skipped = 0;
  kept.forEach((queued, index) => {
    skipped += queued.skipped;
    if (stays[index] === true) {
      left.push({ event: queued.event, skipped });
      skipped = 0;
    } else skipped++;
  });
  return { kept: left, tail: tail + skipped };
}

/** 0 where there is no number: what says nothing is worth nothing more than the rest. */
function priorityOf(event: Json, pointer: string | undefined): number {
  if (pointer === undefined) return 0;
  let current: unknown = event;
  for (const part of pointer.split("/").slice(1)) {
    const name = part.replaceAll("~1", "/").replaceAll("~0", "~");
    if (typeof current !== "object" || current === null || !Object.hasOwn(current, name)) return 0;
    current = (current as { readonly [name: string]: unknown })[name];
  }
  return typeof current === "number" ? current : 0;
}

/** Tokens of a subscription with a rate: one is an event that may be taken. */
export interface Bucket {
  readonly tokens: number;
  /** Node time the tokens were counted at. */
  readonly at: number;
}

/** A tenth of a second's worth may be taken at once, so that a rate is a rate and not a burst a second. */
export function burstOf(ratePerS: number): number {
  return Math.max(1, ratePerS / 10);
}

export function refilled(bucket: Bucket, ratePerS: number, now: number): Bucket {
  const tokens = bucket.tokens + (Math.max(0, now - bucket.at) * ratePerS) / 1_000;
  return { tokens: Math.min(burstOf(ratePerS), tokens), at: now };
}

/** When one event may be taken again; a batch may have left a debt. */
export function readyAt({ tokens, at }: Bucket, ratePerS: number): number {
  return tokens >= 1 ? at : at + Math.ceil(((1 - tokens) * 1_000) / ratePerS);
}
