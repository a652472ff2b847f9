/**
 * Keys of one shard, a page at a time: what the `read` effect, the command line and a branch's comparison ask a state.
 *
 * R1. A page is taken from the state in one go, so it is of one seq; the caller waits until that seq is durable.
 * R2. A page is bounded by its number of keys and by its JSON; at least one key fits, so asking on always ends.
 */
import type { Json } from "@vnes/schemas";
import type { StateQuery } from "../ledger/state-request.ts";
import type { KeyView } from "./key-view.ts";

/** In one answer. */
export const MAX_READ_KEYS = 1_000;
/** UTF-16 code units of keys and values in one answer: well below what a messenger between nodes carries in one message. */
export const MAX_READ_SIZE: number = 256 * 1024;

export interface StatePage {
  readonly values: readonly (readonly [key: string, value: Json, version: number])[];
  readonly next: string | null;
}

export function readPage(state: KeyView, query: StateQuery): StatePage {
  const limit = Math.min(query.limit ?? MAX_READ_KEYS, MAX_READ_KEYS);
  const asked = query.keys === undefined ? undefined : behind(query.keys, query.after);
  const names = asked ?? firstKeys(state.keys.keys(), query.prefix ?? "", query.after, limit + 1);
  const values: (readonly [string, Json, number])[] = [];
  let size = 0;
  let last: string | undefined;
  for (const key of names) {
    const [value, version] = [state.keys.get(key), state.versions.get(key)];
    if (value !== undefined && version !== undefined) {
      size += key.length + JSON.stringify(value).length;
      if (last !== undefined && (values.length >= limit || (values.length > 0 && size > MAX_READ_SIZE)))
        return { values, next: last };
      values.push([key, value, version]);
    }
    last = key;
  }
  return { values, next: null };
}

function behind(keys: readonly string[], after: string | undefined): readonly string[] {
  const unique = [...new Set(keys)];
  return after === undefined ? unique : unique.slice(unique.indexOf(after) + 1);
}

/** The first `count` of the keys under the prefix and behind `after`, sorted; one look at each key, whatever their order. */
function firstKeys(
  keys: Iterable<string>,
  prefix: string,
  after: string | undefined,
  count: number,
): readonly string[] {
  let first: string[] = [];
  let bound: string | undefined;
  for (const key of keys) {
    if (!key.startsWith(prefix) || (after !== undefined && key <= after)) continue;
    if (bound !== undefined && key >= bound) continue;
    first.push(key);
    if (first.length < 2 * count) continue;
    first = first.sort(byCodeUnit).slice(0, count);
    bound = first.at(-1);
  }
  return first.sort(byCodeUnit).slice(0, count);
}

function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
