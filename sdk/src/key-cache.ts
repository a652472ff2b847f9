/**
 * The capsule's keys as far as this sandbox knows them, and what the running turn changes of them.
 *
 * 1. The kernel holds every key; this is a cache, and dropping it at any moment between turns changes no turn's effects.
 * 2. What a turn changes stands beside what turns before it left. `commit` takes it over, `rollback` drops it.
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

/**
 * One key: as turns before left it, and as the running turn has it. In one place, so that it is looked up once; and not in a map that is
 * cleared after each turn, which V8 would keep until it collects the whole heap.
 */
interface Known {
  readonly key: string;
  /** Undefined when nothing is known of it. */
  cached: Cached | undefined;
  change: Change | undefined;
}

export class KeyCache {
  readonly #known = new Map<string, Known>();
  readonly #complete = new Set<string>();
  /** What the running turn changed, each key once, in the order it was first touched. */
  #changed: Known[] = [];
  #bytes = 0;
  #maxBytes = DEFAULT_CACHE_BYTES;

  setMaxBytes(bytes: number): void {
    this.#maxBytes = bytes;
  }

  /** A value the kernel gave. */
  learn(key: string, value: Json | undefined, size: number, version: KeyVersion | undefined): void {
    this.#take(this.#of(key), { value, version, bytes: size + key.length + ENTRY_BYTES });
  }

  /** From now on every key below `prefix` is known. */
  learnRange(prefix: string): void {
    if (!this.isComplete(prefix)) this.#complete.add(prefix);
  }

  /** Undefined when nothing is known of the key itself. */
  get(key: string): Cached | undefined {
    const known = this.#known.get(key);
    return known?.change ?? known?.cached;
  }

  /** Of the key as it was before this turn; undefined when only the kernel can tell. */
  version(key: string): KeyVersion | undefined {
    const cached = this.#known.get(key)?.cached;
    if (cached === undefined) return this.isComplete(key) ? null : undefined;
    return cached.value === undefined ? null : cached.version;
  }

  /** What the running turn expects of the key's version, as far as it has said so. */
  expected(key: string): KeyVersion | undefined {
    return this.#changed.length === 0 ? undefined : this.#known.get(key)?.change?.options.expect;
  }

  /** Undefined when only the kernel can tell. */
  entries(prefix: string): (readonly [key: string, value: Json])[] | undefined {
    if (!this.isComplete(prefix)) return undefined;
    const found: (readonly [key: string, value: Json])[] = [];
    for (const [key, { change, cached }] of this.#known) {
      const value = (change ?? cached)?.value;
      if (value !== undefined && key.startsWith(prefix)) found.push([key, value]);
    }
    return found.sort(([a], [b]) => (a < b ? -1 : 1));
  }

  /** `options` are those of the last write of the turn. */
  set(key: string, value: Json | undefined, size: number, options: WriteOptions): void {
    const known = this.#of(key);
    // A list that grows from nothing makes room for sixteen more, and most turns change one key.
    if (this.#changed.length === 0) this.#changed = [known];
    else if (known.change === undefined) this.#changed.push(known);
    known.change = { value, options, bytes: size + key.length + ENTRY_BYTES };
  }

  /** What the turn changed, each key once, in the order it was first touched, and then what it asked for. */
  effects(asked: readonly Effect[]): readonly Effect[] {
    if (this.#changed.length === 0) return asked;
    // Not `concat`, which takes longer than making both lists.
    const effects = this.#changed.map(effectOf);
    for (const effect of asked) effects.push(effect);
    return effects;
  }

  commit(): void {
    for (const known of this.#changed) {
      this.#take(known, known.change as Change);
      known.change = undefined;
    }
    this.#changed = [];
  }

  rollback(): void {
    for (const known of this.#changed) {
      known.change = undefined;
      if (known.cached === undefined) this.#known.delete(known.key);
    }
    this.#changed = [];
  }

  /** Between turns only: a turn needs what it was given, however much it is. */
  trim(): void {
    if (this.#bytes > this.#maxBytes) this.clear();
  }

  clear(): void {
    this.#known.clear();
    this.#complete.clear();
    this.#changed = [];
    this.#bytes = 0;
  }

  #of(key: string): Known {
    const found = this.#known.get(key);
    if (found !== undefined) return found;
    const known: Known = { key, cached: undefined, change: undefined };
    this.#known.set(key, known);
    return known;
  }

  #take(known: Known, cached: Cached): void {
    this.#bytes += cached.bytes - (known.cached?.bytes ?? 0);
    known.cached = cached;
  }

  /** Every key that begins with `prefix` is known; one that is not here does not exist. */
  isComplete(prefix: string): boolean {
    if (this.#complete.size === 0) return false;
    for (const complete of this.#complete) if (prefix.startsWith(complete)) return true;
    return false;
  }
}

function effectOf({ key, change }: Known): Effect {
  const { value, options } = change as Change;
  if (value === undefined) return { do: "delete", key, ...options };
  return options === NO_OPTIONS ? { do: "write", key, value } : { do: "write", key, value, ...options };
}
