/**
 * The keys of this capsule, and the only code that reads and writes them.
 *
 *   config               GatewayConfig
 *   mirror/<session id>  Mirror: where a session stood when last heard of; its owner decides, this only follows
 *   bound/<channel id>   the session bound to a channel
 *   rate/<peer>          Bucket
 *   watch                true while the watch timer is set
 *   count                Counters
 *
 * G1. A mirror never goes back: what carries a lower version than the one known is ignored.
 * G2. `bound/` holds exactly the channels the mirrors say are bound.
 */
import type { Keys } from "@vnes/sdk";
import type { GatewayConfig } from "./config.ts";
import type { Bucket } from "./rate.ts";

export type Mirror = {
  readonly sessionId: string;
  readonly peer: string;
  readonly state: string;
  readonly version: number;
  readonly epoch: number;
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
