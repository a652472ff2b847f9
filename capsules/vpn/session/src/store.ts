/**
 * The keys of this capsule, and with `places.ts` and `counters.ts` the only code that reads and writes them.
 *
 *   config             StoreConfig
 *   ses/<place>        what is kept of one session (`record.ts`)
 *   own/<owner key>    ids and nonces of the owner's latest creations, newest last: "<id> <nonce> ..."
 *   places, free/, end/   which places are taken (`places.ts`)
 *   n/<name>           counters
 *
 * A key has one live session (V10). Ended sessions are kept for people and for late requests, up to a bound. What a turn
 * reads and writes does not depend on how many sessions there are.
 */
import type { Keys } from "@vnes/sdk";
import { assertSession, type Session } from "@vnes/vpn-common";
import { count } from "./counters.ts";
import { endPlace, idAt, loadPlaces, placeOf, takePlace } from "./places.ts";
import { type Kept, packRecord, unpackRecord } from "./record.ts";

export const MAX_ENDED_SESSIONS = 256;
/** Creations of one owner whose repeats are recognised. */
export const CREATE_NONCES = 4;
/** Places looked at for one page of a list. */
const MAX_PAGE_PLACES = 200;

export type Creation = { readonly nonce: string; readonly sessionId: string };

export function loadSession(keys: Keys, id: string): Session | undefined {
  return loadKept(keys, id)?.session;
}

/** Writes the record once: each writing of it costs more than everything else a request does. */
export function saveSession(
  keys: Keys,
  session: Session,
  wakeAt: number | null,
  answers: string = loadAnswers(keys, session.id),
): void {
  assertSession(session);
  save(keys, { session, wakeAt, answers });
}

/** A session that was not there before: nothing is read that is known not to be there. */
export function saveBirth(keys: Keys, session: Session, wakeAt: number): void {
  assertSession(session);
  save(keys, { session, wakeAt, answers: "" });
}

/** The session of a place, whatever its id. */
export function sessionAt(keys: Keys, place: number): Session | undefined {
  const value = keys.get(recordKey(place));
  return value === undefined ? undefined : unpack(value as string).session;
}

/** For when the session's timer is set, as far as its record knows. */
export function loadWakeAt(keys: Keys, id: string): number | null {
  return loadKept(keys, id)?.wakeAt ?? null;
}

export function saveWakeAt(keys: Keys, id: string, wakeAt: number | null): void {
  change(keys, id, { wakeAt });
}

/** As `nonces.ts` reads them. */
export function loadAnswers(keys: Keys, id: string): string {
  return loadKept(keys, id)?.answers ?? "";
}

export function saveAnswers(keys: Keys, id: string, answers: string): void {
  change(keys, id, { answers });
}

/**
 * Sessions by place, from the first behind `after` on: as many as are found in the next `limit` places. `last` is the
 * place to go on behind; undefined when there are no more.
 */
export function sessionsAfter(
  keys: Keys,
  after: string,
  limit: number,
): { readonly sessions: readonly Session[]; readonly last: number | undefined } {
  const { used } = loadPlaces(keys);
  const first = after === "" ? 0 : (placeOf(after) ?? -1) + 1;
  const end = Math.min(used, first + Math.min(limit, MAX_PAGE_PLACES));
  const places = Array.from({ length: Math.max(0, end - first) }, (_, index) => recordKey(first + index));
  const sessions = keys
    .getAll(places)
    .flatMap((value) => (value === undefined ? [] : [unpackRecord(value).session]));
  return { sessions, last: end < used ? end - 1 : undefined };
}

/** Newest last: the last one is the owner's session. */
export function loadCreations(keys: Keys, owner: string): readonly Creation[] {
  const words = ((keys.get(`own/${owner}`) ?? "") as string).split(" ");
  const creations: Creation[] = [];
  for (let index = 0; index + 1 < words.length; index += 2)
    creations.push({ sessionId: words[index] as string, nonce: words[index + 1] as string });
  return creations;
}

/** The id of a new session, which has its place from now on. */
export function placeSession(keys: Keys, owner: string, nonce: string, random: string): string {
  const sessionId = idAt(takePlace(keys), random);
  const creations = [...loadCreations(keys, owner), { sessionId, nonce }].slice(-CREATE_NONCES);
  keys.set(`own/${owner}`, creations.map((one) => `${one.sessionId} ${one.nonce}`).join(" "));
  return sessionId;
}

/** Keeps an ended session for a while and lets go of the oldest one beyond the bound. */
export function retire(keys: Keys, session: Session): void {
  const place = placeOf(session.id);
  if (place === undefined) throw new Error(`${session.id} has no place`);
  const oldest = endPlace(keys, place, MAX_ENDED_SESSIONS);
  const evicted = oldest === undefined ? undefined : sessionAt(keys, oldest);
  if (oldest === undefined || evicted === undefined) return;
  keys.delete(recordKey(oldest));
  if (loadCreations(keys, evicted.owner).at(-1)?.sessionId === evicted.id)
    keys.delete(`own/${evicted.owner}`);
  count(keys, "evicted");
}

function recordKey(place: number): string {
  return `ses/${place}`;
}

/** Of the session asked for last: a turn asks for one many times, and a text that was put together anew is hashed anew. */
let latestKey: { readonly id: string; readonly key: string | undefined } = { id: "", key: undefined };

function keyOf(id: string): string | undefined {
  if (latestKey.id === id) return latestKey.key;
  const place = placeOf(id);
  latestKey = { id, key: place === undefined ? undefined : recordKey(place) };
  return latestKey.key;
}

function loadKept(keys: Keys, id: string): Kept | undefined {
  const key = keyOf(id);
  const value = key === undefined ? undefined : keys.get(key);
  if (value === undefined) return undefined;
  const kept = unpack(value as string);
  // The place may be another session's by now.
  return kept.session.id === id ? kept : undefined;
}

function change(keys: Keys, id: string, changed: Partial<Kept>): void {
  const kept = loadKept(keys, id);
  if (kept !== undefined) save(keys, { ...kept, ...changed });
}

function save(keys: Keys, kept: Kept): void {
  const text = packRecord(kept);
  latest = { text, kept };
  keys.set(keyOf(kept.session.id) as string, text);
}

/** A turn looks at its record several times. A cache by the text itself: the same text always means the same. */
let latest: { readonly text: string; readonly kept: Kept } | undefined;

function unpack(text: string): Kept {
  if (latest?.text !== text) latest = { text, kept: unpackRecord(text) };
  return latest.kept;
}
