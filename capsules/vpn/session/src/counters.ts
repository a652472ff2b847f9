/** What has been counted since the store began, a key for each count: `n/<name>`. */
import type { Keys } from "@vnes/sdk";
import { REJECTION_REASONS, TRANSITION_REASONS } from "@vnes/vpn-common";
import { loadPlaces } from "./places.ts";

export type Counters = { readonly [name: string]: number };

const COUNTED: readonly string[] = [
  "evicted",
  "repeated",
  ...Object.keys(TRANSITION_REASONS).map((reason) => `moved.${reason}`),
  ...Object.keys(REJECTION_REASONS).map((reason) => `rejected.${reason}`),
];

export function count(keys: Keys, name: string): void {
  const key = `n/${name}`;
  keys.set(key, ((keys.get(key) as number | undefined) ?? 0) + 1);
}

/** Those that are not 0, and how many sessions there are. */
export function counters(keys: Keys): Counters {
  const { live, endFirst, endNext } = loadPlaces(keys);
  const values = keys.getAll(COUNTED.map((name) => `n/${name}`));
  const counted = COUNTED.flatMap((name, index) => {
    const value = values[index];
    return value === undefined ? [] : [[name, value as number] as const];
  });
  return { live, ended: endNext - endFirst, ...Object.fromEntries(counted) };
}
