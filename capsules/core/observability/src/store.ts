/**
 * The keys of this capsule, and the only code that reads and writes them.
 *
 *   count          Counts
 *   recent/<slot>  Kept; a ring: slot = n modulo the bound
 */
import type { Json, Keys } from "@vnes/sdk";

/** What a person reads back after something went wrong; at the kernel's greatest rate about two minutes. */
export const MAX_RECENT = 256;
/** Codes are a closed table of the software; a stranger's flood of made-up names must not grow the state. */
export const MAX_NAMES = 512;
const OTHER = "other";

export type Counts = {
  readonly seen: number;
  readonly codes: { readonly [code: string]: number };
  readonly transitions: { readonly [to: string]: number };
};

export type Kept = { readonly n: number; readonly kind: string; readonly event: Json };

export function loadCounts(keys: Keys): Counts {
  return (keys.get("count") as Counts | undefined) ?? { seen: 0, codes: {}, transitions: {} };
}

export function keep(keys: Keys, kind: string, event: Json, by: "codes" | "transitions", name: string): void {
  const counts = loadCounts(keys);
  const n = counts.seen + 1;
  keys.set("count", { ...counts, seen: n, [by]: increased(counts[by], name) });
  keys.set(`recent/${n % MAX_RECENT}`, { n, kind, event });
}

/** Newest first. */
export function recent(keys: Keys): readonly Kept[] {
  return keys
    .entries("recent/")
    .map(([, value]) => value as unknown as Kept)
    .sort((a, b) => b.n - a.n);
}

function increased(
  counts: { readonly [name: string]: number },
  name: string,
): { readonly [name: string]: number } {
  const known = Object.hasOwn(counts, name) || Object.keys(counts).length < MAX_NAMES;
  const counted = known ? name : OTHER;
  return { ...counts, [counted]: (Object.hasOwn(counts, counted) ? (counts[counted] ?? 0) : 0) + 1 };
}
