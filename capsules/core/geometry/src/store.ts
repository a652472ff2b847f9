/**
 * The keys of this capsule, and the only code that reads and writes them.
 *
 *   config             GeometryConfig of this activation
 *   count              Counts
 *   coordinate/<peer>  Placed
 */
import type { Json, Keys } from "@vnes/sdk";
import type { GeometryConfig } from "./config.ts";
import { parseConfig } from "./config.ts";
import type { Coordinate } from "./vivaldi.ts";

/** About 150 bytes each; beyond it the one that was heard of longest ago gives way. */
export const MAX_PEERS = 1_024;

export type Placed = Coordinate & {
  readonly samples: number;
  /** Node time of the last sample. */
  readonly at: number;
};

export type Counts = {
  readonly peers: number;
  readonly samples: number;
  /** Samples that are none: of a peer with itself, or no round trip. */
  readonly refused: number;
  /** Samples under the static model, which learns nothing. */
  readonly unused: number;
  readonly evictedForAge: number;
  readonly evictedForRoom: number;
};

const NO_COUNTS: Counts = {
  peers: 0,
  samples: 0,
  refused: 0,
  unused: 0,
  evictedForAge: 0,
  evictedForRoom: 0,
};
const PREFIX = "coordinate/";

export function loadConfig(keys: Keys): GeometryConfig {
  return (keys.get("config") as unknown as GeometryConfig | undefined) ?? parseConfig(null);
}

export function saveConfig(keys: Keys, config: GeometryConfig): void {
  keys.set("config", config);
}

export function loadCounts(keys: Keys): Counts {
  return (keys.get("count") as Counts | undefined) ?? NO_COUNTS;
}

export function count(keys: Keys, name: keyof Counts, by = 1): void {
  const counts = loadCounts(keys);
  keys.set("count", { ...counts, [name]: counts[name] + by });
}

export function placeOf(keys: Keys, peer: string): Placed | undefined {
  return keys.get(PREFIX + peer) as unknown as Placed | undefined;
}

/** `but` is not to give way: the peer of the same sample. */
export function place(keys: Keys, peer: string, placed: Placed, but: string): void {
  if (placeOf(keys, peer) === undefined) {
    if (loadCounts(keys).peers >= MAX_PEERS) evictOldest(keys, but);
    count(keys, "peers");
  }
  keys.set(PREFIX + peer, placed as unknown as Json);
}

export function evictOlder(keys: Keys, than: number): void {
  for (const [peer, { at }] of allPlaces(keys)) {
    if (at >= than) continue;
    keys.delete(PREFIX + peer);
    count(keys, "peers", -1);
    count(keys, "evictedForAge");
  }
}

/** In the order of their names. */
export function allPlaces(keys: Keys): readonly (readonly [peer: string, placed: Placed])[] {
  return keys
    .entries(PREFIX)
    .map(([key, value]) => [key.slice(PREFIX.length), value as unknown as Placed] as const);
}

function evictOldest(keys: Keys, but: string): void {
  let oldest: { readonly peer: string; readonly at: number } | undefined;
  for (const [peer, { at }] of allPlaces(keys)) {
    if (peer !== but && (oldest === undefined || at < oldest.at)) oldest = { peer, at };
  }
  if (oldest === undefined) return;
  keys.delete(PREFIX + oldest.peer);
  count(keys, "peers", -1);
  count(keys, "evictedForRoom");
}
