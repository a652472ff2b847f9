/** Counters by name, where a part of the name may be a code that somebody else made up: a capsule that ranks or decides policies, or the other end. */

/** Several times as many as there are codes of our own; what is kept must not grow with others'. */
export const MAX_NAMES = 256;
const OTHER = "other";

export type Counts = { readonly [name: string]: number };

/** A name there is no room for is counted under `other`, so a sum never falls short. */
export function counted(counts: Counts, name: string): Counts {
  const known = Object.hasOwn(counts, name) || Object.keys(counts).length < MAX_NAMES;
  const under = known ? name : OTHER;
  return { ...counts, [under]: (counts[under] ?? 0) + 1 };
}
