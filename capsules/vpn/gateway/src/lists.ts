/**
 * What a gateway has many of, each kind in numbered places without a hole: any one is found by its name, and the watch goes
 * over all of them a page a turn, so that no turn costs more because there are more of them.
 *
 *   <list>/<name>     the thing, which knows its place
 *   place/<list>/<n>  the name of what lies in place n
 *   size/<list>       how many there are: places 0 to size - 1
 *
 * What leaves gives its place to the last one. So a walk goes from the last place to the first: what moves into a place that is
 * still to come was seen already, and nothing that was there when the walk began is passed by.
 */
import type { JsonObject, Keys } from "@vnes/sdk";

/** `mirror`: of sessions. `here`: channels of this node. `rate`: buckets of clients. */
export const LISTS = ["mirror", "here", "rate"] as const;
export type List = (typeof LISTS)[number];

/** Things of one list that one turn looks at. */
export const PAGE = 128;

/** Only what an image without places has kept is without one, `older.ts`. */
type Placed = JsonObject & { readonly place?: number };

/** A name and what lies under it. */
export type Found = readonly [name: string, thing: JsonObject];

export function find(keys: Keys, list: List, name: string): JsonObject | undefined {
  return keys.get(`${list}/${name}`) as JsonObject | undefined;
}

export function sizeOf(keys: Keys, list: List): number {
  return (keys.get(`size/${list}`) ?? 0) as number;
}

/** In its place, or, when it is new, in the next one. */
export function put(keys: Keys, list: List, name: string, thing: JsonObject): void {
  const before = find(keys, list, name) as Placed | undefined;
  if (before === undefined) place(keys, list, name, thing);
  else keys.set(`${list}/${name}`, before.place === undefined ? thing : { ...thing, place: before.place });
}

/** In the next place. */
export function place(keys: Keys, list: List, name: string, thing: JsonObject): void {
  keys.set(`${list}/${name}`, { ...thing, place: enter(keys, list, name) });
}

function enter(keys: Keys, list: List, name: string): number {
  const place = sizeOf(keys, list);
  keys.set(`place/${list}/${place}`, name);
  keys.set(`size/${list}`, place + 1);
  return place;
}

/** The place it knows is there, and names it. */
export function isPlaced(keys: Keys, list: List, name: string, thing: JsonObject): thing is Required<Placed> {
  const { place: known } = thing as Placed;
  return known !== undefined && known < sizeOf(keys, list) && keys.get(`place/${list}/${known}`) === name;
}

/** Those of them that are there. */
export function removeAll(keys: Keys, list: List, names: readonly string[]): void {
  if (names.length === 0) return;
  // Asked for together; one after the other each would stop the turn.
  const size = sizeOf(keys, list);
  const from = Math.max(0, size - names.length);
  const things = keys.getAll(names.map((name) => `${list}/${name}`)) as readonly (Placed | undefined)[];
  const known = things.flatMap((thing) => (thing?.place === undefined ? [] : [thing.place]));
  const last = Array.from({ length: size - from }, (_, n) => from + n);
  keys.getAll([...known, ...last].map((n) => `place/${list}/${n}`));
  thingsAt(keys, list, from, size);
  for (const name of names) remove(keys, list, name);
}

function remove(keys: Keys, list: List, name: string): void {
  const thing = find(keys, list, name);
  if (thing === undefined) return;
  keys.delete(`${list}/${name}`);
  if (!isPlaced(keys, list, name, thing)) return;
  const last = sizeOf(keys, list) - 1;
  if (thing.place < last) {
    const moved = keys.get(`place/${list}/${last}`) as string;
    keys.set(`place/${list}/${thing.place}`, moved);
    keys.set(`${list}/${moved}`, { ...find(keys, list, moved), place: thing.place });
  }
  keys.delete(`place/${list}/${last}`);
  keys.set(`size/${list}`, last);
}

/** What lies in the places from `from` on, before `to`. */
export function thingsAt(keys: Keys, list: List, from: number, to: number): readonly Found[] {
  return pagesAt(keys, { [list]: [from, to] })[list] ?? [];
}

type Places = { readonly [list in List]?: readonly [from: number, to: number] };
export type Pages = { readonly [list in List]?: readonly Found[] };

/** Of several lists together, so that a turn stops twice for what it has to fetch, and not twice for each. */
function pagesAt(keys: Keys, places: Places): Pages {
  const lists = LISTS.filter((list) => places[list] !== undefined);
  const asked = lists.flatMap((list) => {
    const [from, to] = places[list] ?? [0, 0];
    return Array.from(
      { length: Math.max(0, to - from) },
      (_, n) => [list, `place/${list}/${from + n}`] as const,
    );
  });
  const names = keys.getAll(asked.map(([, place]) => place)) as readonly string[];
  const things = keys.getAll(asked.map(([list], n) => `${list}/${names[n]}`)) as readonly JsonObject[];
  const found = asked.map(([list], n) => ({
    list,
    one: [names[n] as string, things[n] as JsonObject] as const,
  }));
  return Object.fromEntries(
    lists.map((list) => [list, found.filter((each) => each.list === list).map(({ one }) => one)]),
  );
}

/** How far a walk over every list has come: places of each that are still to be looked at. */
export type Walk = { readonly [list in List]: number };

export function wholeWalk(keys: Keys): Walk {
  return { mirror: sizeOf(keys, "mirror"), here: sizeOf(keys, "here"), rate: sizeOf(keys, "rate") };
}

/** The next page of each list, and what is left after it; null: nothing. */
export function nextPage(keys: Keys, walk: Walk): { readonly page: Pages; readonly left: Walk | null } {
  const range = (list: List): readonly [number, number] => {
    const to = Math.min(walk[list], sizeOf(keys, list));
    return [Math.max(0, to - PAGE), to];
  };
  const places = { mirror: range("mirror"), here: range("here"), rate: range("rate") };
  const [mirror, here, rate] = [places.mirror[0], places.here[0], places.rate[0]];
  const isOver = mirror + here + rate === 0;
  return { page: pagesAt(keys, places), left: isOver ? null : { mirror, here, rate } };
}

/** Turns that a walk over everything takes. */
export function pagesOf(keys: Keys): number {
  return Math.max(1, ...LISTS.map((list) => Math.ceil(sizeOf(keys, list) / PAGE)));
}
