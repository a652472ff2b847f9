/** The capsule's own keys as one turn sees them: the cache below, what the turn wrote on top. */
import type { Json, KeyVersion } from "@vnes/schemas";
import type { Keys, WriteOptions } from "./capsule.ts";
import { copyJson } from "./json-copy.ts";
import { type KeyCache, NO_OPTIONS } from "./key-cache.ts";
import type { TurnRun } from "./turn-run.ts";

export class TurnKeys implements Keys {
  readonly #run: TurnRun;
  readonly #cache: KeyCache;

  constructor(run: TurnRun, cache: KeyCache) {
    this.#run = run;
    this.#cache = cache;
  }

  get(key: string): Json | undefined {
    this.#run.mustBeOpen();
    const cached = this.#cache.get(this.#run.text(key, "key"));
    if (cached !== undefined) return cached.value;
    return this.#cache.isComplete(key) ? undefined : this.#run.need("keys", key);
  }

  getAll(keys: readonly string[]): readonly (Json | undefined)[] {
    this.#run.mustBeOpen();
    const missing = keys.filter(
      (key) => this.#cache.get(this.#run.text(key, "key")) === undefined && !this.#cache.isComplete(key),
    );
    if (missing.length > 0) return this.#run.need("keys", ...missing);
    return keys.map((key) => this.#cache.get(key)?.value);
  }

  version(key: string): KeyVersion {
    this.#run.mustBeOpen();
    const version = this.#cache.version(this.#run.text(key, "key"));
    return version === undefined ? this.#run.need("keys", key) : version;
  }

  set(key: string, value: Json, options: WriteOptions = NO_OPTIONS): void {
    this.#run.mustBeOpen();
    this.#run.text(key, "key");
    try {
      const copied = copyJson(value, true);
      this.#cache.set(key, copied.value, copied.size, this.#options(key, options));
    } catch (cause) {
      this.#run.refuse(cause, `write ${key}`);
    }
  }

  delete(key: string, { expect }: Pick<WriteOptions, "expect"> = {}): void {
    this.#run.mustBeOpen();
    this.#run.text(key, "key");
    this.#cache.set(key, undefined, 0, this.#options(key, expect === undefined ? {} : { expect }));
  }

  entries(prefix: string): readonly (readonly [key: string, value: Json])[] {
    this.#run.mustBeOpen();
    return this.#cache.entries(this.#run.text(prefix, "prefix")) ?? this.#run.need("ranges", prefix);
  }

  /** A turn is one write of a key, so it has one expectation: what was expected first still holds. */
  #options(key: string, { expect, ttlMs }: WriteOptions): WriteOptions {
    if (expect !== undefined && expect !== null && (!Number.isSafeInteger(expect) || expect < 1)) {
      this.#run.fail("TURN_EFFECT_INVALID", `write ${key}: expect is a version, or null for no such key`);
    }
    if (ttlMs !== undefined && (!Number.isSafeInteger(ttlMs) || ttlMs < 1)) {
      this.#run.fail("TURN_EFFECT_INVALID", `write ${key}: ttlMs is a whole number of milliseconds from 1`);
    }
    const before = this.#cache.expected(key);
    if (before !== undefined && expect !== undefined && before !== expect) {
      this.#run.fail(
        "TURN_EFFECT_INVALID",
        `write ${key}: the same turn expects version ${before} of it and ${expect}`,
      );
    }
    const expected = expect === undefined ? before : expect;
    if (expected === undefined && ttlMs === undefined) return NO_OPTIONS;
    return {
      ...(expected === undefined ? {} : { expect: expected }),
      ...(ttlMs === undefined ? {} : { ttlMs }),
    };
  }
}
