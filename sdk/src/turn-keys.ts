/** The capsule's own keys as one turn sees them: the cache below, what the turn wrote on top. */
import type { Json } from "@vnes/schemas";
import type { Keys } from "./capsule.ts";
import { copyJson } from "./json-copy.ts";
import type { KeyCache } from "./key-cache.ts";
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

  set(key: string, value: Json): void {
    this.#run.mustBeOpen();
    this.#run.text(key, "key");
    try {
      const copied = copyJson(value, true);
      this.#cache.set(key, copied.value, copied.size);
    } catch (cause) {
      this.#run.refuse(cause, `write ${key}`);
    }
  }

  delete(key: string): void {
    this.#run.mustBeOpen();
    this.#cache.set(this.#run.text(key, "key"), undefined, 0);
  }

  entries(prefix: string): readonly (readonly [key: string, value: Json])[] {
    this.#run.mustBeOpen();
    return this.#cache.entries(this.#run.text(prefix, "prefix")) ?? this.#run.need("ranges", prefix);
  }
}
