/** What a person may set of geometry, parsed once at the start of an activation. */
import type { Json, JsonObject } from "@vnes/sdk";
import { isRtt } from "./vivaldi.ts";

export type GeometryConfig =
  | { readonly model: "vivaldi"; readonly maxAgeMs: number }
  | { readonly model: "static"; readonly table: readonly Told[] };

/** A round trip as a person knows it; it is the same in both directions. */
export type Told = { readonly from: string; readonly to: string; readonly rttMs: number };

const HOUR_MS = 3_600_000;
const MIN_AGE_MS = 1_000;
const MAX_AGE_MS = 30 * 24 * HOUR_MS;
/** A table that is longer than this is not written by a person. */
const MAX_TABLE = 1_024;
const PEER = /^[A-Za-z0-9._:-]{1,64}$/;

export function parseConfig(config: Json): GeometryConfig {
  const root = objectAt(config ?? {}, "");
  const { model = "vivaldi" } = root;
  if (model === "vivaldi") {
    known(root, "", ["model", "maxAgeMs"]);
    const { maxAgeMs = HOUR_MS } = root;
    if (typeof maxAgeMs === "number" && Number.isInteger(maxAgeMs)) {
      if (maxAgeMs >= MIN_AGE_MS && maxAgeMs <= MAX_AGE_MS) return { model, maxAgeMs };
    }
    throw wrong("/maxAgeMs", `expected a whole number from ${MIN_AGE_MS} to ${MAX_AGE_MS}`);
  }
  if (model !== "static") throw wrong("/model", "expected vivaldi or static");
  known(root, "", ["model", "table"]);
  const { table } = root;
  if (!Array.isArray(table) || table.length > MAX_TABLE) {
    throw wrong("/table", `expected a list of at most ${MAX_TABLE}`);
  }
  const told = table.map((item: Json, index) => parseTold(item, `/table/${index}`));
  const pairs = told.map(({ from, to }) => (from < to ? `${from} ${to}` : `${to} ${from}`));
  const twice = pairs.findIndex((pair, index) => pairs.indexOf(pair) < index);
  if (twice >= 0) throw wrong(`/table/${twice}`, "this pair is in the table already");
  return { model, table: told };
}

function parseTold(item: Json, at: string): Told {
  const value = objectAt(item, at);
  known(value, at, ["from", "to", "rttMs"]);
  const { from, to, rttMs } = value;
  if (typeof from !== "string" || !PEER.test(from)) throw wrong(`${at}/from`, "expected a peer's name");
  if (typeof to !== "string" || !PEER.test(to)) throw wrong(`${at}/to`, "expected a peer's name");
  if (typeof rttMs !== "number" || !isRtt(rttMs))
    throw wrong(`${at}/rttMs`, "expected milliseconds from 0.001 to 60000");
  return { from, to, rttMs };
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
  return new Error(`GEOMETRY_CONFIG_INVALID at ${pointer}: ${problem}`);
}
