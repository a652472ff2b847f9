/**
 * A map that knows what changed in it: which buckets since they were last written down, and, while it is frozen, what
 * every name held at the moment of freezing. So a snapshot can be written in small steps while turns go on.
 *
 * M1. A frozen view is the map as it was when `freeze` was called, whatever is set or deleted later.
 * M2. A bucket that is not in `dirty` holds what it held when it was last taken.
 */
import { keyHash } from "../bus/routing.ts";

/** Changes are told apart this finely; a power of two. 64 MiB of state in chunks of 64 KiB are a quarter of it. */
export const MAX_BUCKETS = 4_096;

export interface FrozenMap<Value> {
  /** Buckets (of `MAX_BUCKETS`) that changed since the last freeze. */
  readonly dirty: ReadonlySet<number>;
  readonly entries: number;
  /** What the name held; undefined when it was not there. `walked`: what it held at some moment since, which spares looking it up. */
  at(name: string, walked?: Value): Value | undefined;
  /** Names that were there and have been set or deleted since, and perhaps others that were there. */
  changed(): Iterable<string>;
}

/** What a snapshot asks of a part of a state: to be read while it changes, and to be filled again. */
export interface Tracked<Value> extends Iterable<readonly [name: string, value: Value]> {
  readonly size: number;
  /** May be walked while names come and go. */
  keys(): Iterable<string>;
  load(name: string, value: Value): void;
  freeze(): FrozenMap<Value>;
  thaw(lost?: ReadonlySet<number>): void;
}

export class TrackedMap<Value> extends Map<string, Value> implements Tracked<Value> {
  #dirty = new Set<number>();
  #before: Map<string, Value | undefined> | undefined;

  override set(name: string, value: Value): this {
    this.#note(name);
    return super.set(name, value);
  }

  override delete(name: string): boolean {
    // Looking for a name that was just put together costs its hash, and every turn asks a map that is nearly always empty.
    if (this.size === 0 || !super.has(name)) return false;
    this.#note(name);
    return super.delete(name);
  }

  override clear(): void {
    for (const name of [...super.keys()]) this.delete(name);
  }

  /** Sets what was read back from where it was written down: no change. */
  load(name: string, value: Value): void {
    super.set(name, value);
  }

  /** Until `thaw`; the buckets found dirty count as taken from now on. */
  freeze(): FrozenMap<Value> {
    if (this.#before !== undefined) throw new Error("the map is frozen already");
    const before = new Map<string, Value | undefined>();
    const dirty = this.#dirty;
    this.#before = before;
    this.#dirty = new Set();
    return {
      dirty,
      entries: this.size,
      at: (name, walked) => (before.has(name) ? before.get(name) : (walked ?? super.get(name))),
      *changed() {
        for (const [name, value] of before) if (value !== undefined) yield name;
      },
    };
  }

  /** `lost`: buckets that were taken and not written down after all. */
  thaw(lost: ReadonlySet<number> = new Set()): void {
    this.#before = undefined;
    for (const bucket of lost) this.#dirty.add(bucket);
  }

  #note(name: string): void {
    if (this.#before?.has(name) === false) this.#before.set(name, super.get(name));
    this.#dirty.add(bucketOf(name, MAX_BUCKETS));
  }
}

/** `buckets` is a power of two, at most `MAX_BUCKETS`. */
export function bucketOf(name: string, buckets: number): number {
  if (name !== lastName) {
    lastName = name;
    lastHash = keyHash(name);
  }
  return lastHash & (buckets - 1);
}

/** One write touches the same name in several maps, one after the other. */
let lastName = "";
let lastHash = keyHash("");
