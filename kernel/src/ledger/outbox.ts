/**
 * What a shard asked of others and nobody confirmed yet, in the order it was asked for.
 *
 * O1. Entries come in rising (seq, index) order, as records do, so a place is found by halving, not by name: no text is
 *     made for an effect that is confirmed at once, which nearly all are.
 * O2. The oldest entry is at hand: every record carries what it says (`released`).
 * O3. What is kept is at most twice what is unconfirmed and a little; one that is never confirmed does not hold up the rest.
 */
import type { Effect } from "@vnes/schemas";
import { type EffectId, formatEffectId, parseEffectId, type Watermark } from "./effect-id.ts";
import { type FrozenMap, MAX_BUCKETS, type Tracked } from "./tracked-map.ts";

/** An effect another shard has to receive. */
export interface OutboxEntry {
  readonly id: EffectId;
  readonly at: number;
  /** How many calls lead to this one. */
  readonly depth: number;
  readonly effect: Extract<Effect, { do: "publish" | "call" | "read" | "answer" }>;
}

/** Its receiver needs no repeat of the entry. */
export type Confirm = (entry: OutboxEntry) => void;

/** Fewer confirmed places than this are not worth moving the rest for. */
const MIN_CONFIRMED_PLACES = 1_024;

/** An outbox turns over between two snapshots: nothing of it is worth remembering as unchanged. */
const EVERY_BUCKET: ReadonlySet<number> = new Set(Array.from({ length: MAX_BUCKETS }, (_, bucket) => bucket));

/** For a snapshot, a map by effect id. */
export class Outbox implements Tracked<OutboxEntry> {
  /** A confirmed entry leaves its id in its place. */
  #places: (OutboxEntry | EffectId)[] = [];
  /** Everything before it is confirmed; what is there is not. */
  #head = 0;
  #size = 0;

  /** Entries that are not confirmed. */
  get size(): number {
    return this.#size;
  }

  /** The oldest one. */
  get first(): OutboxEntry | undefined {
    return this.#places[this.#head] as OutboxEntry | undefined;
  }

  /** As of now: what is added or confirmed meanwhile does not matter. */
  values(): readonly OutboxEntry[] {
    return this.#places.slice(this.#head).filter(isEntry);
  }

  keys(): readonly string[] {
    return this.values().map(({ id }) => formatEffectId(id));
  }

  *[Symbol.iterator](): Generator<readonly [id: string, entry: OutboxEntry]> {
    for (const entry of this.values()) yield [formatEffectId(entry.id), entry];
  }

  /** Its id must be above every other that was ever added. */
  add(entry: OutboxEntry): void {
    const last = this.#places.at(-1);
    if (last !== undefined && distance(entry.id, idOf(last)) <= 0)
      throw new Error("an outbox is filled in order");
    this.#places.push(entry);
    this.#size++;
  }

  /** What the records from `first` to `last` asked for and is not confirmed, in order. */
  of(first: number, last: number = first): readonly OutboxEntry[] {
    const found: OutboxEntry[] = [];
    for (let place = this.#placeOf({ seq: first, index: 0 }); place < this.#places.length; place++) {
      const there = this.#places[place] as OutboxEntry | EffectId;
      if (idOf(there).seq > last) break;
      if (isEntry(there)) found.push(there);
    }
    return found;
  }

  /** Forgets the entry; one that is not there was confirmed before. */
  confirm(id: Watermark): void {
    // Nearly always the oldest one: what was asked for first is received first.
    const { first } = this;
    const place = first !== undefined && distance(first.id, id) === 0 ? this.#head : this.#placeOf(id);
    const there = this.#places[place];
    if (there === undefined || !isEntry(there)) return;
    if (distance(there.id, id) !== 0) return;
    this.#places[place] = there.id;
    this.#size--;
    if (place === this.#head) this.#passConfirmed();
    this.#tidy();
  }

  /** Every entry of records up to `seq` is confirmed. */
  confirmUpTo(seq: number): void {
    for (let first = this.first; first !== undefined && first.id.seq <= seq; first = this.first) {
      this.#size--;
      this.#head++;
      this.#passConfirmed();
    }
    this.#tidy();
  }

  /** From a snapshot, in any order; `sortLoaded` comes last. */
  load(_id: string, entry: OutboxEntry): void {
    this.#places.push(entry);
    this.#size++;
  }

  sortLoaded(): void {
    this.#places.sort((a, b) => distance(idOf(a), idOf(b)));
  }

  freeze(): FrozenMap<OutboxEntry> {
    const entries = this.values();
    return {
      dirty: EVERY_BUCKET,
      entries: entries.length,
      at: (name) => {
        const id = parseEffectId(name);
        const entry = id === undefined ? undefined : entries[placeOf(entries, id, 0)];
        return id !== undefined && entry !== undefined && distance(entry.id, id) === 0 ? entry : undefined;
      },
      *changed() {
        for (const { id } of entries) yield formatEffectId(id);
      },
    };
  }

  /** What was frozen is a list of its own. */
  thaw(): void {}

  #placeOf(id: Watermark): number {
    return placeOf(this.#places, id, this.#head);
  }

  #passConfirmed(): void {
    while (this.#head < this.#places.length && !isEntry(this.#places[this.#head] as OutboxEntry | EffectId)) {
      this.#head++;
    }
  }

  #tidy(): void {
    const confirmed = this.#places.length - this.#size;
    if (confirmed < MIN_CONFIRMED_PLACES || confirmed < this.#size) return;
    this.#places = this.#places.slice(this.#head).filter(isEntry);
    this.#head = 0;
  }
}

/** The first place at or above `id`, from `from` on. */
function placeOf(places: readonly (OutboxEntry | EffectId)[], id: Watermark, from: number): number {
  let low = from;
  let high = places.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (distance(idOf(places[middle] as OutboxEntry | EffectId), id) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function isEntry(place: OutboxEntry | EffectId): place is OutboxEntry {
  return "effect" in place;
}

function idOf(place: OutboxEntry | EffectId): EffectId {
  return isEntry(place) ? place.id : place;
}

/** Below zero when `a` was asked for before `b`. */
function distance(a: Watermark, b: Watermark): number {
  return a.seq === b.seq ? a.index - b.index : a.seq - b.seq;
}
