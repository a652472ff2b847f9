/**
 * Where sessions lie: numbered places, so that any session, the next page of a list and the next one to let go of are found
 * by name, however many there are. A session's id begins with the number of its place.
 *
 *   places     Places
 *   free/<n>   place that was given back, a stack
 *   end/<n>    place of a session that has ended, a queue
 *
 * The range of places in use never shrinks; it is as long as most sessions were at once.
 */
import type { Keys } from "@vnes/sdk";

export type Places = {
  /** Places ever used: 0 to `used` - 1. */
  readonly used: number;
  readonly free: number;
  readonly live: number;
  /** Ended sessions kept are the entries from `endFirst` on, before `endNext`. */
  readonly endFirst: number;
  readonly endNext: number;
};

/** In base 36: room for 60 million, and ids that sort as their places do. */
const PLACE_DIGITS = 5;
const ID = /^ses_([0-9a-z]{5})/;
/** Sorts behind every id of its place. */
const LAST = "z".repeat(15);

const NONE: Places = { used: 0, free: 0, live: 0, endFirst: 0, endNext: 0 };

export function loadPlaces(keys: Keys): Places {
  return (keys.get("places") ?? NONE) as Places;
}

/** A place for one more session. */
export function takePlace(keys: Keys): number {
  const places = loadPlaces(keys);
  const live = places.live + 1;
  if (places.free === 0) {
    keys.set("places", { ...places, live, used: places.used + 1 });
    return places.used;
  }
  const key = `free/${places.free - 1}`;
  const place = keys.get(key) as number;
  keys.delete(key);
  keys.set("places", { ...places, live, free: places.free - 1 });
  return place;
}

/** The session there has ended and is kept for now. Returns the place to let go of, once more than `most` are kept. */
export function endPlace(keys: Keys, place: number, most: number): number | undefined {
  const places = loadPlaces(keys);
  keys.set(`end/${places.endNext}`, place);
  const ended = { ...places, live: places.live - 1, endNext: places.endNext + 1 };
  if (ended.endNext - ended.endFirst <= most) {
    keys.set("places", ended);
    return undefined;
  }
  const key = `end/${ended.endFirst}`;
  const oldest = keys.get(key) as number;
  keys.delete(key);
  keys.set(`free/${ended.free}`, oldest);
  keys.set("places", { ...ended, endFirst: ended.endFirst + 1, free: ended.free + 1 });
  return oldest;
}

/** `random`: as `turn.id` makes one; its first characters give way to the place. */
export function idAt(place: number, random: string): string {
  const digits = place.toString(36).padStart(PLACE_DIGITS, "0");
  return `ses_${digits}${random.slice(random.indexOf("_") + 1 + PLACE_DIGITS)}`;
}

/** Undefined for an id no place has. */
export function placeOf(id: string): number | undefined {
  const digits = ID.exec(id)?.[1];
  return digits === undefined ? undefined : Number.parseInt(digits, 36);
}

/** What `after` of a list is to go on behind a place that may be empty. */
export function behindPlace(place: number): string {
  return `ses_${place.toString(36).padStart(PLACE_DIGITS, "0")}${LAST}`;
}
