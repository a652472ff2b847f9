/** The events of a session on a node: from the topics that say something of sessions, as far as this node has them. */
import type { EventPage, KeptEvent, TopicView } from "@vnes/kernel";
import { isVnesError, type JsonObject } from "@vnes/schemas";
import type { ControlClient } from "../control/client.ts";
import { object, text } from "./fields.ts";

/** In the order in which equal moments are shown: what moved, what was denied, what the client made of it. */
const SESSION_TOPICS = ["vpn.session.v1", "vpn.denial.v1", "vpn.client.v1"] as const;
const [SESSION_TOPIC, DENIAL_TOPIC] = SESSION_TOPICS;

/** The most one page holds. */
const PAGE = 256;
/** Events looked at in each partition, from the newest back: a busy gateway has many sessions' events between two of one. */
const MAX_LOOKED_AT = 20_000;

export interface SeenEvent {
  readonly topic: string;
  readonly partition: number;
  readonly seq: number;
  readonly at: number;
  readonly event: JsonObject;
  /** Record of the turn that published it, and its shard. */
  readonly source: string;
}

export interface Search {
  /** Undefined: every session's. */
  readonly session: string | undefined;
  /** The newest so many. */
  readonly limit: number;
  /** Node time in milliseconds; those at or after it. */
  readonly since?: number;
}

export interface Found {
  /** Oldest first. */
  readonly events: readonly SeenEvent[];
  /** True when there may be older ones that were not looked at. */
  readonly cut: boolean;
}

/** Partitions of the topics that this node has: empty where no VPN capsule runs. */
export async function openTopics(client: ControlClient): Promise<readonly TopicView[]> {
  const views: TopicView[] = [];
  for (const topic of SESSION_TOPICS) {
    try {
      views.push((await client.request("topic.show", { topic })) as unknown as TopicView);
    } catch (error) {
      if (!isVnesError(error) || error.code !== "TOPIC_UNKNOWN") throw error;
    }
  }
  return views;
}

export async function findEvents(client: ControlClient, search: Search): Promise<Found> {
  const found: SeenEvent[] = [];
  let cut = false;
  let owner: string | null = null;
  for (const { topic, lastSeqs, firstSeqs } of await openTopics(client)) {
    for (const [partition, last] of lastSeqs.entries()) {
      const place = { topic, partition, first: Math.max(1, firstSeqs[partition] ?? 1), last };
      const part = await lookBack(client, place, search, owner);
      found.push(...part.events);
      cut ||= part.cut;
    }
    // Denials of a frame that names no session are the session's too when its own key sent it.
    if (topic === SESSION_TOPIC) owner = text(found.at(-1)?.event ?? null, "owner");
  }
  const events = inOrder(found);
  const shown = events.slice(-search.limit);
  return { events: shown, cut: cut || shown.length < events.length };
}

export function inOrder(events: readonly SeenEvent[]): readonly SeenEvent[] {
  const rank = (topic: string): number => SESSION_TOPICS.indexOf(topic as (typeof SESSION_TOPICS)[number]);
  return [...events].sort((a, b) => a.at - b.at || rank(a.topic) - rank(b.topic) || a.seq - b.seq);
}

/** Whether an event is of the session; `owner` is its key, where it is known. */
export function isOf(seen: SeenEvent, session: string | undefined, owner: string | null): boolean {
  if (session === undefined) return true;
  const named = text(seen.event, "sessionId");
  if (named !== null) return named === session;
  return seen.topic === DENIAL_TOPIC && owner !== null && text(seen.event, "peer") === owner;
}

/** True for the event after which there are no more of the session. */
export function isEnd({ event }: SeenEvent): boolean {
  return text(event, "to") === "TERMINATED" || text(event, "event") === "ended";
}

/** A transition, or what its client did: somebody may name a session that never was in a request that is denied. */
export function isOfDecision({ topic, event }: SeenEvent): boolean {
  return topic !== DENIAL_TOPIC && text(event, "event") !== "denied";
}

export function seenEvent(topic: string, { partition, seq, at, event, source }: KeptEvent): SeenEvent {
  const fields = object(event) ?? {};
  const said = fields["at"];
  return { topic, partition, seq, at: typeof said === "number" ? said : at, event: fields, source };
}

interface Place {
  readonly topic: string;
  readonly partition: number;
  readonly first: number;
  readonly last: number;
}

/** Newest first by pages, until there are enough, the session was born, or it is long enough ago. */
async function lookBack(
  client: ControlClient,
  { topic, partition, first, last }: Place,
  { session, limit, since }: Search,
  owner: string | null,
): Promise<Found> {
  const events: SeenEvent[] = [];
  let lookedAt = 0;
  for (let end = last; end >= first; ) {
    const start = Math.max(first, end - PAGE + 1);
    const page = await readRun(client, { topic, partition, first: start, last: end });
    const seen = page.map((kept) => seenEvent(topic, kept));
    const late = since === undefined ? seen : seen.filter(({ at }) => at >= since);
    events.unshift(...late.filter((one) => isOf(one, session, owner)));
    const isBorn = seen.some((one) => one.event["from"] === null && text(one.event, "sessionId") === session);
    if (isBorn || late.length < seen.length) return { events, cut: false };
    if (events.length >= limit) return { events: events.slice(-limit), cut: start > first };
    lookedAt += seen.length;
    if (lookedAt >= MAX_LOOKED_AT) return { events, cut: start > first };
    end = start - 1;
  }
  return { events, cut: false };
}

/** A page may hold less than was asked for. */
async function readRun(
  client: ControlClient,
  { topic, partition, first, last }: Place,
): Promise<readonly KeptEvent[]> {
  const events: KeptEvent[] = [];
  for (let from = first; from <= last; ) {
    const params = { topic, partition, from: { seq: from }, limit: last - from + 1 };
    const page = (await client.request("topic.read", params)) as unknown as EventPage;
    events.push(...page.events.filter(({ seq }) => seq <= last));
    if (page.next <= from) return events;
    from = page.next;
  }
  return events;
}
