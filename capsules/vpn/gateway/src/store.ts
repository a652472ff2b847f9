/**
 * The keys of this capsule, and the only code that reads and writes them.
 *
 *   config               GatewayConfig
 *   mirror/<session id>  Mirror: where a session stood when last heard of; its owner decides, this only follows
 *   bound/<channel id>   the session bound to a channel
 *   closing/<channel id> the owner of the session bound to it asked for its end over it
 *   here/<channel id>    Heard: a channel of this node
 *   rate/<peer>          Bucket
 *   frames               Bucket: of all clients together
 *   watch                Watch
 *   draining             since when the gateway is being emptied
 *   count                Counters
 *
 * Mirrors, channels and buckets lie in places, `lists.ts`: nothing here reads all of a kind in one turn.
 *
 * G1. A mirror never goes back: what carries a lower version than the one known is ignored.
 * G2. `bound/` holds exactly the channels the mirrors say are bound, and those are this node's.
 */
import type { Keys } from "@vnes/sdk";
import { BINDINGS, counted, type Counts } from "@vnes/vpn-common";
import type { GatewayConfig } from "./config.ts";
import {
  find,
  nextPage,
  type Pages,
  put,
  removeAll,
  sizeOf,
  thingsAt,
  type Walk,
  wholeWalk,
} from "./lists.ts";
import { againOlder, beginOlder, type Older, olderPage } from "./older.ts";
import type { Bucket } from "./rate.ts";

export type Mirror = {
  readonly sessionId: string;
  readonly peer: string;
  readonly state: string;
  readonly version: number;
  readonly epoch: number;
  /** The bound channel; null: none, or one of another node's gateway. */
  readonly channelId: string | null;
  readonly pathId: string | null;
  /** When this was learned. */
  readonly at: number;
};

/** When something was last heard on a channel, and when a binding was last asked for over it. */
type Heard = {
  readonly at: number;
  readonly askedAt?: number;
  /** Closed at `at`, while the binding may have been decided and not been told yet. */
  readonly closed?: true;
};

/** A walk that is under way, and what is left of it. The first one may have to make the places, `older.ts`. */
export type Round =
  | (Walk & { readonly isFirst: boolean })
  | { readonly older: Older; readonly isFirst: true };

/**
 * Off: the watch's timer is not set. Set: its next walk begins when it fires. Images without places keep a boolean here,
 * which is how their traces are told.
 */
export type Watch = "off" | "set" | Round;

/** An ended session's mirror outlives every call that could still report of it (5 s each). */
export const ENDED_MIRROR_MS = 60_000;

/**
 * A binding that was asked for may be told this late: a policy, a creation and an attach may take 2 s each, and the event of
 * a decision whose answer is late comes after that. A channel that closes meanwhile is remembered as long, so at most as many
 * are as frames may ask for a binding until the watch has passed by them.
 */
const BINDING_TOLD_MS = 10_000;

export function loadConfig(keys: Keys): GatewayConfig {
  const config = keys.get("config");
  if (config === undefined) throw new Error("a turn before the start of the gateway");
  return config as unknown as GatewayConfig;
}

export function loadWatch(keys: Keys): Watch {
  return (keys.get("watch") ?? "off") as unknown as Watch;
}

/** The walk over everything that an activation begins with. */
export function firstRound(keys: Keys): Round {
  const watch = keys.get("watch") as unknown as Watch | boolean | undefined;
  if (typeof watch === "boolean") return { older: beginOlder(keys), isFirst: true };
  if (typeof watch === "object" && "older" in watch) return { older: againOlder(watch.older), isFirst: true };
  return { ...wholeWalk(keys), isFirst: true };
}

/** The next page of it, and the round after that; null: it is over. */
export function roundPage(keys: Keys, round: Round): { readonly page: Pages; readonly next: Round | null } {
  if ("older" in round) {
    const { page, left } = olderPage(keys, round.older);
    return { page, next: left === null ? null : { older: left, isFirst: true } };
  }
  const { isFirst, ...walk } = round;
  const { page, left } = nextPage(keys, walk);
  return { page, next: left === null ? null : { ...left, isFirst } };
}

export function saveWatch(keys: Keys, watch: Watch): void {
  keys.set("watch", watch);
}

/** Since when the gateway is being emptied; null: it is not. */
export function loadDraining(keys: Keys): number | null {
  return (keys.get("draining") ?? null) as number | null;
}

export function saveDraining(keys: Keys, since: number | null): void {
  if (since === null) keys.delete("draining");
  else keys.set("draining", since);
}

export function loadMirror(keys: Keys, sessionId: string): Mirror | undefined {
  return find(keys, "mirror", sessionId) as Mirror | undefined;
}

/** As many as there are, at most `most`, as they are told to people. */
export function firstMirrors(
  keys: Keys,
  most: number,
): { readonly mirrors: readonly Mirror[]; readonly more: number } {
  const size = sizeOf(keys, "mirror");
  const shown = Math.min(size, most);
  const mirrors = thingsAt(keys, "mirror", 0, shown).map(
    ([, { place: _place, ...mirror }]) => mirror as Mirror,
  );
  return { mirrors, more: size - shown };
}

export function boundSession(keys: Keys, channelId: string): string | undefined {
  return keys.get(`bound/${channelId}`) as string | undefined;
}

/** False when something newer is known. */
export function follow(keys: Keys, mirror: Mirror): boolean {
  const before = loadMirror(keys, mirror.sessionId);
  if (before !== undefined && before.version >= mirror.version) return false;
  if (before?.channelId && before.channelId !== mirror.channelId) keys.delete(`bound/${before.channelId}`);
  if (mirror.channelId !== null) keys.set(`bound/${mirror.channelId}`, mirror.sessionId);
  put(keys, "mirror", mirror.sessionId, mirror);
  return true;
}

/** A channel of this node: every gateway hears of every session, and most are bound to another's. */
export function isHere(keys: Keys, channelId: string): boolean {
  const heard = loadHeard(keys, channelId);
  return heard !== undefined && heard.closed === undefined;
}

/** Closed while its binding was decided: what is bound to it is lost, and nobody else will say so. */
export function isClosedHere(keys: Keys, channelId: string): boolean {
  return loadHeard(keys, channelId)?.closed !== undefined;
}

export function heardHere(keys: Keys, channelId: string, at: number): void {
  const { askedAt } = loadHeard(keys, channelId) ?? {};
  saveHeard(keys, channelId, askedAt === undefined ? { at } : { at, askedAt });
}

/** A binding to it is asked for. */
export function askedHere(keys: Keys, channelId: string, at: number): void {
  saveHeard(keys, channelId, { at, askedAt: at });
}

/** Forgotten, unless a binding to it may still be told. */
export function closedHere(keys: Keys, channelId: string, at: number): void {
  const { askedAt } = loadHeard(keys, channelId) ?? {};
  if (askedAt === undefined || at - askedAt > BINDING_TOLD_MS) return forgetHere(keys, channelId);
  saveHeard(keys, channelId, { at, closed: true });
  forgetClosing(keys, channelId);
}

function loadHeard(keys: Keys, channelId: string): Heard | undefined {
  return find(keys, "here", channelId) as Heard | undefined;
}

function saveHeard(keys: Keys, channelId: string, heard: Heard): void {
  put(keys, "here", channelId, heard);
}

export function forgetHere(keys: Keys, ...channelIds: readonly string[]): void {
  removeAll(keys, "here", channelIds);
  for (const channelId of channelIds) forgetClosing(keys, channelId);
}

export function markClosing(keys: Keys, channelId: string): void {
  keys.set(`closing/${channelId}`, true);
}

export function isClosing(keys: Keys, channelId: string): boolean {
  return keys.get(`closing/${channelId}`) !== undefined;
}

export function forgetClosing(keys: Keys, channelId: string): void {
  if (isClosing(keys, channelId)) keys.delete(`closing/${channelId}`);
}

/** What is kept of channels, asked for at once: whatever a turn reads of them after this, it has. */
export function gatherChannels(keys: Keys, channelIds: readonly string[]): void {
  const of = (kind: string): readonly string[] => channelIds.map((id) => `${kind}/${id}`);
  const bound = keys.getAll([...of("bound"), ...of("here"), ...of("closing")]).slice(0, channelIds.length);
  keys.getAll(bound.flatMap((sessionId) => (typeof sessionId === "string" ? [`mirror/${sessionId}`] : [])));
}

/** What a turn about one client's channel reads, asked for at once. */
export function gatherClient(
  keys: Keys,
  { channelId, peer }: { readonly channelId: string; readonly peer: string },
): void {
  keys.getAll([
    "config",
    "count",
    "watch",
    "draining",
    "frames",
    `bound/${channelId}`,
    `here/${channelId}`,
    `rate/${peer}`,
  ]);
}

/** What a turn about one session reads, asked for at once; `channelId` is the one it is bound to now. */
export function gatherSession(keys: Keys, sessionId: string, channelId: string | undefined): void {
  const channel = channelId === undefined ? [] : [`here/${channelId}`, `bound/${channelId}`];
  keys.getAll([`mirror/${sessionId}`, ...channel]);
}

/** Nothing was heard on it since `before`, and no binding to it is still to be told. */
export function isQuietHere(keys: Keys, channelId: string, before: number): boolean {
  const heard = loadHeard(keys, channelId);
  if (heard === undefined) return false;
  return heard.at + (heard.closed === undefined ? 0 : BINDING_TOLD_MS) < before;
}

/** Bound, but to a channel of another node. */
export function isElsewhere({ state, channelId }: Mirror): boolean {
  return channelId === null && (BINDINGS as { readonly [state: string]: number })[state] === 1;
}

export function loadBucket(keys: Keys, peer: string): Bucket | undefined {
  return find(keys, "rate", peer) as Bucket | undefined;
}

export function saveBucket(keys: Keys, peer: string, bucket: Bucket): void {
  put(keys, "rate", peer, bucket);
}

export function loadCommonBucket(keys: Keys): Bucket | undefined {
  return keys.get("frames") as Bucket | undefined;
}

export function saveCommonBucket(keys: Keys, bucket: Bucket): void {
  keys.set("frames", bucket);
}

export function count(keys: Keys, name: string): void {
  keys.set("count", counted((keys.get("count") ?? {}) as Counts, name));
}
