/**
 * The keys of this capsule, and the only code that reads and writes them.
 *
 *   ses/<session id>   Session
 *   ans/<session id>   RecordedAnswer[], newest last
 *   own/<owner key>    Ownership: the owner's session and the nonces of its recent creations
 *   ended              ids of ended sessions still kept, oldest first
 *   count              Counters
 *
 * A key has one live session (V10). Ended sessions are kept for people and for late requests, up to a bound.
 */
import type { Keys } from "@vnes/sdk";
import { assertSession, type Session } from "@vnes/vpn-common";
import type { RecordedAnswer } from "./nonces.ts";

/** A record is about 1 KB with its answers; the node keeps them in memory. */
export const MAX_LIVE_SESSIONS = 4096;
export const MAX_ENDED_SESSIONS = 256;
/** Creations of one owner whose repeats are recognised. */
export const CREATE_NONCES = 4;

export type Ownership = {
  readonly sessionId: string;
  readonly creations: readonly { readonly nonce: string; readonly sessionId: string }[];
};

export type Counters = { readonly [name: string]: number };

export function loadSession(keys: Keys, id: string): Session | undefined {
  return keys.get(`ses/${id}`) as Session | undefined;
}

export function saveSession(keys: Keys, session: Session): void {
  assertSession(session);
  keys.set(`ses/${session.id}`, session);
}

/** Sorted by id, from the first after `after`. */
export function sessionsAfter(keys: Keys, after: string): readonly Session[] {
  return keys
    .entries("ses/")
    .map(([, value]) => value as unknown as Session)
    .filter((session) => session.id > after);
}

export function loadAnswers(keys: Keys, id: string): readonly RecordedAnswer[] {
  return (keys.get(`ans/${id}`) ?? []) as unknown as readonly RecordedAnswer[];
}

export function saveAnswers(keys: Keys, id: string, answers: readonly RecordedAnswer[]): void {
  keys.set(`ans/${id}`, answers);
}

export function loadOwnership(keys: Keys, owner: string): Ownership | undefined {
  return keys.get(`own/${owner}`) as Ownership | undefined;
}

export function recordCreation(keys: Keys, owner: string, nonce: string, sessionId: string): void {
  const creations = [...(loadOwnership(keys, owner)?.creations ?? []), { nonce, sessionId }];
  keys.set(`own/${owner}`, { sessionId, creations: creations.slice(-CREATE_NONCES) });
}

/** Keeps an ended session for a while and lets go of the oldest one beyond the bound. */
export function retire(keys: Keys, session: Session): void {
  const ended = [...((keys.get("ended") ?? []) as readonly string[]), session.id];
  for (const id of ended.splice(0, Math.max(0, ended.length - MAX_ENDED_SESSIONS))) {
    const owner = loadSession(keys, id)?.owner;
    if (owner !== undefined && loadOwnership(keys, owner)?.sessionId === id) keys.delete(`own/${owner}`);
    keys.delete(`ses/${id}`);
    keys.delete(`ans/${id}`);
    count(keys, "evicted");
  }
  keys.set("ended", ended);
}

export function counters(keys: Keys): Counters {
  return (keys.get("count") ?? {}) as Counters;
}

export function count(keys: Keys, name: string, by = 1): void {
  const now = counters(keys);
  keys.set("count", { ...now, [name]: (now[name] ?? 0) + by });
}
