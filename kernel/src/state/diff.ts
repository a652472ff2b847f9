/** What differs between two states of a shard: the same shard at two seqs, a branch and its parent, two branches. */
import type { Json } from "@vnes/schemas";
import type { KeyView } from "./key-view.ts";

export interface KeyDifference {
  readonly key: string;
  readonly difference: "added" | "removed" | "changed";
  /** Null on the side where the key does not exist. */
  readonly before: { readonly value: Json; readonly version: number } | null;
  readonly after: { readonly value: Json; readonly version: number } | null;
}

/** Sorted by key. A key that was written again with the same value does not differ. */
export function diffKeys(before: KeyView, after: KeyView): readonly KeyDifference[] {
  const differences: KeyDifference[] = [];
  for (const key of before.keys.keys()) {
    const [was, is] = [sideOf(before, key), sideOf(after, key)];
    if (is === null) differences.push({ key, difference: "removed", before: was, after: null });
    else if (was !== null && !isSameJson(was.value, is.value))
      differences.push({ key, difference: "changed", before: was, after: is });
  }
  for (const key of after.keys.keys()) {
    if (before.keys.has(key)) continue;
    differences.push({ key, difference: "added", before: null, after: sideOf(after, key) });
  }
  return differences.sort((a, b) => (a.key < b.key ? -1 : 1));
}

function sideOf({ keys, versions }: KeyView, key: string): KeyDifference["before"] {
  const value = keys.get(key);
  return value === undefined ? null : { value, version: versions.get(key) ?? 0 };
}

/** The order of members says nothing. */
export function isSameJson(a: Json, b: Json): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  const [left, right] = [Object.entries(a) as [string, Json][], Object.keys(b)];
  if (Array.isArray(a) !== Array.isArray(b) || left.length !== right.length) return false;
  return left.every(([name, value]) => {
    return (
      Object.hasOwn(b, name) && isSameJson(value, (b as { readonly [name: string]: Json })[name] as Json)
    );
  });
}
