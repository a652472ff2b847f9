/** Equality of JSON values: members in any order, items in theirs. */
import type { Json, JsonObject } from "@vnes/schemas";

export function isSame(a: Json, b: Json): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    return a.every((item, index) => isSame(item as Json, b[index] as Json));
  }
  const [x, y] = [a as JsonObject, b as JsonObject];
  const names = Object.keys(x);
  if (names.length !== Object.keys(y).length) return false;
  return names.every((name) => Object.hasOwn(y, name) && isSame(x[name] as Json, y[name] as Json));
}
