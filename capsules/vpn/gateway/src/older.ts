/**
 * What an image without places has kept gets one each. That is the image from before there were places, and the same one
 * gone back to for a while: it leaves places behind whose things are gone, and things that no place names. So the places are
 * made anew, a page a turn as everything else: all in the one turn of the start would be more than a turn may write.
 *
 * Until that is over a thing may have no place, or one that names another. It is found by its name as ever, and leaves
 * without giving a place away.
 */
import type { Json, JsonObject, Keys } from "@vnes/sdk";
import {
  type Found,
  isPlaced,
  LISTS,
  type List,
  PAGE,
  type Pages,
  place,
  sizeOf,
  type Walk,
  wholeWalk,
} from "./lists.ts";

/** The list and the name that were come to, and of each list the places from before that may still be there. */
export type Older = { readonly list: List; readonly after: string; readonly before: Walk };

export function beginOlder(keys: Keys): Older {
  const before = wholeWalk(keys);
  for (const list of LISTS) keys.set(`size/${list}`, 0);
  return { list: LISTS[0], after: "", before };
}

/** From its beginning, for those who look at everything; what has its place by now keeps it. */
export function againOlder(older: Older): Older {
  return { ...older, list: LISTS[0], after: "" };
}

/** The next page of things, in their places, and what is left after it; null: nothing. */
export function olderPage(keys: Keys, older: Older): { readonly page: Pages; readonly left: Older | null } {
  const { list, after } = older;
  const named = keys
    .entries(`${list}/`)
    .map(([key, value]) => [key.slice(list.length + 1), value] as const)
    .filter(([name]) => name > after)
    .slice(0, PAGE);
  const last = named.at(-1);
  if (last === undefined) return { page: {}, left: afterList(keys, older) };
  const found = named.map(([name, value]): Found => [name, thingOf(value)]);
  const known = found.flatMap(([, { place: n }]) => (n === undefined ? [] : [n as number]));
  keys.getAll(known.map((n) => `place/${list}/${n}`));
  for (const [name, thing] of found) if (!isPlaced(keys, list, name, thing)) place(keys, list, name, thing);
  return { page: { [list]: found }, left: { ...older, after: last[0] } };
}

/** Of a channel only the time was kept. */
function thingOf(value: Json): JsonObject {
  return typeof value === "number" ? { at: value } : (value as JsonObject);
}

/** Places from before that nothing lies in any more go, the last ones first; then it is the next list's turn. */
function afterList(keys: Keys, { list, before }: Older): Older | null {
  const size = sizeOf(keys, list);
  const from = Math.max(size, before[list] - PAGE);
  for (let n = from; n < before[list]; n++) keys.delete(`place/${list}/${n}`);
  if (from > size) return { list, after: "\uffff", before: { ...before, [list]: from } };
  const next = LISTS[LISTS.indexOf(list) + 1];
  return next === undefined ? null : { list: next, after: "", before };
}
