/**
 * The capsule's keys as far as this sandbox knows them, and what the running turn changes of them.
 *
 * 1. The kernel holds every key; this is a cache, and dropping it at any moment between turns changes no turn's effects.
 * 2. A turn writes to an overlay. `commit` takes it over into the cache, `rollback` drops it.
 * 3. A prefix once complete stays complete: this capsule is the only writer of its keys, and writes pass through here.
 */
import type { Effect, Json, KeyVersion } from "@vnes/schemas";
import type { WriteOptions } from "./capsule.ts";

/** For a sandbox that names no bound. */
const DEFAULT_CACHE_BYTES: number = 8 * 1024 * 1024;
/** What a key costs beside its text and value. */
const ENTRY_BYTES = 64;

/** What nearly every write has. */
export const NO_OPTIONS: WriteOptions = {};

export interface Cached {
  /** Undefined when the key is known not to exist. */
  readonly value: Json | undefined;
  readonly bytes: number;
  /** Undefined when only the kernel knows: what a turn wrote has its version once it is recorded. */
  readonly version?: KeyVersion | undefined;
}

interface Change extends Cached {
  readonly options: WriteOptions;
}

export class KeyCache {
  readonly #known = new Map<string, Cached>();
  readonly #complete = new Set<string>();
  readonly #overlay = new Map<string, Change>();
  #bytes = 0;
  #maxBytes = DEFAULT_CACHE_BYTES;

  setMaxBytes(bytes: number): void {
    this.#maxBytes = bytes;
  }

  /** A value the kernel gave. */
  learn(key: string, value: Json | undefined, size: number, version: KeyVersion | undefined): void {
    this.#put(key, { value, version, bytes: size + key.length + ENTRY_BYTES });
  }

  /** From now on every key below `prefix` is known. */
  learnRange(prefix: string): void {
    if (!this.isComplete(prefix)) this.#complete.add(prefix);
  }

  /** Undefined when nothing is known of the key itself. */
  get(key: string): Cached | undefined {
    return this.#overlay.get(key) ?? this.#known.get(key);
  }

  /** Of the key as it was before this turn; undefined when only the kernel can tell. */
  version(key: string): KeyVersion | undefined {
    const known = this.#known.get(key);
    if (known === undefined) return this.isComplete(key) ? null : undefined;
    return known.value === undefined ? null : known.version;
  }

  /** What the running turn expects of the key's version, as far as it has said so. */
  expected(key: string): KeyVersion | undefined {
    return this.#overlay.get(key)?.options.expect;
  }

  /** Undefined when only the kernel can tell. */
  entries(prefix: string): (readonly [key: string, value: Json])[] | undefined {
    if (!this.isComplete(prefix)) return undefined;
    const found: (readonly [key: string, value: Json])[] = [];
    for (const [key, { value }] of this.#known) {
      if (value !== undefined && key.startsWith(prefix) && !this.#overlay.has(key)) found.push([key, value]);
    }
    for (const [key, { value }] of this.#overlay) {
      if (value !== undefined && key.startsWith(prefix)) found.push([key, value]);
    }
    return found.sort(([a], [b]) => (a < b ? -1 : 1));
  }

  /** `options` are those of the last write of the turn. */
  set(key: string, value: Json | undefined, size: number, options: WriteOptions): void {
    this.#overlay.set(key, { value, options, bytes: size + key.length + ENTRY_BYTES });
  }

  /** What the turn changed, each key once, in the order it was first touched, and then what it asked for. */
  effects(asked: readonly Effect[]): readonly Effect[] {
    if (this.#overlay.size === 0) return asked;
    let changes: Effect[] | undefined;
    // An iterator of a map makes an object and an array for each entry, and a list that grows from nothing room for sixteen more.
    this.#overlay.forEach((change, key) => {
      const effect = effectOf(key, change);
      if (changes === undefined) changes = [effect];
      else changes.push(effect);
    });
    return changes === undefined ? asked : (changes as readonly Effect[]).concat(asked);
  }

  commit(): void {
    this.#overlay.forEach(({ value, bytes }, key) => this.#put(key, { value, bytes }));
    this.#overlay.clear();
  }

  rollback(): void {
    this.#overlay.clear();
  }

  /** Between turns only: a turn needs what it was given, however much it is. */
  trim(): void {
    if (this.#bytes > this.#maxBytes) this.clear();
  }

  clear(): void {
    this.#known.clear();
    this.#complete.clear();
    this.#overlay.clear();
    this.#bytes = 0;
  }

  #put(key: string, cached: Cached): void {
    this.#bytes += cached.bytes - (this.#known.get(key)?.bytes ?? 0);
    this.#known.set(key, cached);
  }

  /** Every key that begins with `prefix` is known; one that is not here does not exist. */
  isComplete(prefix: string): boolean {
    if (this.#complete.size === 0) return false;
    for (const complete of this.#complete) if (prefix.startsWith(complete)) return true;
    return false;
  }
}

function effectOf(key: string, { value, options }: Change): Effect {
  if (value === undefined) return { do: "delete", key, ...options };
  return options === NO_OPTIONS ? { do: "write", key, value } : { do: "write", key, value, ...options };
}
