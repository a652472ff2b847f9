/** The weights of a ranking, as data: every one with its unit and its bounds, the same as in `spec/schema.json`. */
import type { Json, JsonObject } from "@vnes/sdk";

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

/** The configuration: `{ policy }`, every weight of it optional. */
export function parseConfig(config: Json): RankPolicy {
  const root = objectAt(config ?? {}, "");
  known(root, "", ["policy"]);
  const policy = objectAt(root["policy"] ?? {}, "/policy");
  known(
    policy,
    "/policy",
    FIELDS.map(([name]) => name),
  );
  for (const [name, , min, max] of FIELDS) {
    const value = policy[name];
    if (value === undefined) continue;
    const fits = typeof value === "number" && value >= min && value <= max;
    if (!fits || (name === "geometryTimeoutMs" && !Number.isInteger(value)))
      throw wrong(`/policy/${name}`, `expected a number from ${min} to ${max}`);
  }
  return { ...DEFAULT_POLICY, ...policy };
}

function objectAt(value: Json, at: string): JsonObject {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw wrong(at || "/", "expected an object");
}

function known(value: JsonObject, at: string, names: readonly string[]): void {
  const unknown = Object.keys(value).find((name) => !names.includes(name));
  if (unknown !== undefined) throw wrong(`${at}/${unknown}`, "unknown field");
}

function wrong(pointer: string, problem: string): Error {
  return new Error(`ROUTING_CONFIG_INVALID at ${pointer}: ${problem}`);
}
