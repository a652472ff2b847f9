/** The weights of a ranking, as data: every one with its unit and its bounds, the same as in `spec/schema.json`. */
import type { Json } from "@vnes/sdk";
import { configReader } from "@vnes/sdk/config";

export type RankPolicy = {
  /** Milliseconds of cost for a millisecond of round trip. */
  readonly latencyWeight: number;
  /** Milliseconds of cost for one percent of loss. */
  readonly lossWeightMs: number;
  /** Milliseconds of cost for each failure that whoever asks counts. */
  readonly failureWeightMs: number;
  /** Round trip taken for a candidate that nobody measured and nobody can estimate. */
  readonly unknownLatencyMs: number;
  /** An estimate expected to be wrong by a greater share than this is not used. */
  readonly maxEstimateError: number;
  /** How long an answer of geometry is waited for. */
  readonly geometryTimeoutMs: number;
};

const MAX_MS = 60_000;
const FIELDS: readonly (readonly [name: keyof RankPolicy, usual: number, min: number, max: number])[] = [
  ["latencyWeight", 1, 0, 1_000],
  ["lossWeightMs", 20, 0, MAX_MS],
  // More than paths differ in: one that failed comes after those that did not.
  ["failureWeightMs", 1_000, 0, MAX_MS],
  ["unknownLatencyMs", 200, 0, MAX_MS],
  ["maxEstimateError", 0.5, 0, 1],
  // Who asks is likely to be without a path: a guess at once is worth more than a better one later.
  ["geometryTimeoutMs", 50, 1, 1_000],
];

export const DEFAULT_POLICY: RankPolicy = Object.fromEntries(
  FIELDS.map(([name, usual]) => [name, usual]),
) as RankPolicy;

const read = configReader(
  (pointer, problem) => new Error(`ROUTING_CONFIG_INVALID at ${pointer}: ${problem}`),
);

/** The configuration: `{ policy }`, every weight of it optional. */
export function parseConfig(config: Json): RankPolicy {
  const root = read.object(config ?? {}, "", ["policy"]);
  const names = FIELDS.map(([name]) => name);
  const policy = read.object(root["policy"] ?? {}, "/policy", names);
  const values = FIELDS.map(([name, usual, min, max]) => {
    const kind = name === "geometryTimeoutMs" ? "whole" : "number";
    return [name, read[kind](policy, name, "/policy", usual, min, max)];
  });
  return Object.fromEntries(values) as RankPolicy;
}
