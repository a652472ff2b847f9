/** How much a JSON value is, without writing it out. */
import type { Json } from "@vnes/schemas";

/** About the length of its JSON in UTF-16 code units, never far below; counting ends once it is more than `most`. */
export function roughSize(value: Json, most: number): number {
  if (typeof value === "string") return value.length + 2;
  if (typeof value !== "object" || value === null) return 8;
  let size = 2;
  const isArray = Array.isArray(value);
  const members = value as { readonly [name: string]: Json };
  // No list of the members first: every call from outside is sized, and most have one or two.
  for (const name in members) {
    size += (isArray ? 1 : name.length + 4) + roughSize(members[name] as Json, most - size);
    if (size > most) break;
  }
  return size;
}
