/**
 * The keys of this capsule, and the only code that reads and writes them.
 *
 *   config               GatewayConfig
 *   mirror/<session id>  Mirror: where a session stood when last heard of; its owner decides, this only follows
 *   bound/<channel id>   the session bound to a channel
 *   closing/<channel id> the owner of the session bound to it asked for its end over it
 *   here/<channel id>    when something was last heard on a channel of this node
 *   rate/<peer>          Bucket
 *   watch                true while the watch timer is set
 *   count                Counters
 *
 * G1. A mirror never goes back: what carries a lower version than the one known is ignored.
 * G2. `bound/` holds exactly the channels the mirrors say are bound, and those are this node's.
 */
import type { Keys } from "@vnes/sdk";
import { BINDINGS } from "@vnes/vpn-common";
import type { GatewayConfig } from "./config.ts";
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

/** An ended session's mirror outlives every call that could still report of it (5 s each). */
export const ENDED_MIRROR_MS = 60_000;

export function loadConfig(keys: Keys): GatewayConfig {
  const config = keys.get("config");
  if (config === undefined) throw new Error("a turn before the start of the gateway");
  return config as unknown as GatewayConfig;
}

export function loadMirror(keys: Keys, sessionId: string): Mirror | undefined {
  return keys.get(`mirror/${sessionId}`) as Mirror | undefined;
}

export function allMirrors(keys: Keys): readonly Mirror[] {
  return keys.entries("mirror/").map(([, value]) => value as Mirror);
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
  keys.set(`mirror/${mirror.sessionId}`, mirror);
  return true;
}

/** A channel of this node: every gateway hears of every session, and most are bound to another's. */
export function isHere(keys: Keys, channelId: string): boolean {
  return keys.get(`here/${channelId}`) !== undefined;
}

export function heardHere(keys: Keys, channelId: string, at: number): void {
  keys.set(`here/${channelId}`, at);
}

export function forgetHere(keys: Keys, channelId: string): void {
  keys.delete(`here/${channelId}`);
  forgetClosing(keys, channelId);
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

/** Channels of this node that nothing was heard on since `before`. */
export function channelsHere(keys: Keys, before: number): readonly string[] {
  return keys
    .entries("here/")
    .flatMap(([key, at]) => ((at as number) < before ? [key.slice("here/".length)] : []));
}

/** Bound, but to a channel of another node. */
export function isElsewhere({ state, channelId }: Mirror): boolean {
  return channelId === null && (BINDINGS as { readonly [state: string]: number })[state] === 1;
}

export function forget(keys: Keys, sessionId: string): void {
  keys.delete(`mirror/${sessionId}`);
}

export function loadBucket(keys: Keys, peer: string): Bucket | undefined {
  return keys.get(`rate/${peer}`) as Bucket | undefined;
}

export function count(keys: Keys, name: string): void {
  const now = (keys.get("count") ?? {}) as { readonly [name: string]: number };
  keys.set("count", { ...now, [name]: (now[name] ?? 0) + 1 });
}
