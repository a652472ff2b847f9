/** The values a sandbox asked for with `needKeys`, taken from the state of its shard. */
import type { GivenKey, TurnResult } from "@vnes/schemas";
import { roughSize } from "../bus/json-size.ts";
import type { ShardState } from "./shard-state.ts";

/** A state up to this is handed over whole: a fraction of what the sandbox caches, a few milliseconds to cross. */
const WHOLE_STATE_KEYS = 4_096;
const WHOLE_STATE_BYTES = 1024 * 1024;
/** Of values that a batch is given because its turns may ask for them, in characters of JSON. */
const MAX_FORESEEN_CHARS = 1024 * 1024;

export interface ServedKeys {
  readonly keys: readonly GivenKey[];
  /** Prefixes of which `keys` holds every key. */
  readonly ranges: readonly string[];
}

/** What a sandbox asks for with `needKeys`. */
export interface Asked {
  readonly keys: readonly string[];
  readonly ranges: readonly string[];
}

/** What its turn has been given before. */
export interface GivenBefore {
  readonly names: ReadonlySet<string>;
  readonly ranges: readonly string[];
}

const NOTHING: GivenBefore = { names: new Set(), ranges: [] };

/**
 * A small state crosses whole the first time anything is missing; one key a turn would be one crossing a key. Each key comes once,
 * whatever a capsule asks for, and not again once it was given.
 */
export function serveKeys(state: KeyState, asked: Asked, before: GivenBefore = NOTHING): ServedKeys {
  const names = new Set(asked.keys);
  const ranges = uncovered(isSmall(state) ? [""] : asked.ranges, before.ranges);
  if (ranges.length > 0)
    for (const key of state.keys.keys()) if (ranges.some((prefix) => key.startsWith(prefix))) names.add(key);
  const keys: GivenKey[] = [];
  for (const name of names) if (!before.names.has(name)) keys.push(given(state, name));
  return { keys, ranges };
}

/** Those of `asked` that lie within none of `known`, nor within another. */
function uncovered(asked: readonly string[], known: readonly string[]): readonly string[] {
  const kept: string[] = [];
  // A prefix of another comes before it.
  for (const prefix of [...asked].sort()) {
    const last = kept.at(-1);
    const isCovered = last !== undefined && prefix.startsWith(last);
    if (!isCovered && !known.some((other) => prefix.startsWith(other))) kept.push(prefix);
  }
  return kept;
}

/**
 * What turns behind one that needs keys said they would ask for. It has to reach the sandbox before any of them runs: with
 * the first request of the next batch, never with their own, which a turn between may have made out of date.
 */
export function serveForeseen(
  state: KeyState,
  behind: readonly TurnResult[],
  served: ServedKeys,
): readonly GivenKey[] {
  // All of it is on its way.
  if (served.ranges.includes("")) return [];
  const known = new Set(served.keys.map(([key]) => key));
  const keys: GivenKey[] = [];
  let size = 0;
  for (const result of behind) {
    if (result.kind !== "needKeys") continue;
    for (const key of result.keys) {
      if (known.has(key)) continue;
      known.add(key);
      const one = given(state, key);
      size += key.length + roughSize(one[1] ?? null, MAX_FORESEEN_CHARS);
      if (size > MAX_FORESEEN_CHARS) return keys;
      keys.push(one);
    }
  }
  return keys;
}

export type KeyState = Pick<ShardState, "keys" | "versions" | "size">;

function given({ keys, versions }: KeyState, key: string): GivenKey {
  const [value, version] = [keys.get(key), versions.get(key)];
  return value === undefined || version === undefined ? [key] : [key, value, version];
}

function isSmall({ keys, size }: KeyState): boolean {
  return keys.size <= WHOLE_STATE_KEYS && size <= WHOLE_STATE_BYTES;
}
