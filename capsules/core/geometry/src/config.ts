/** What a person may set of geometry, parsed once at the start of an activation. */
import type { Json } from "@vnes/sdk";
import { configReader } from "@vnes/sdk/config";
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

const read = configReader(wrong);

export function parseConfig(config: Json): GeometryConfig {
  const root = config ?? {};
  const { model = "vivaldi" } = read.object(root, "");
  if (model === "vivaldi") {
    const its = read.object(root, "", ["model", "maxAgeMs"]);
    return { model, maxAgeMs: read.whole(its, "maxAgeMs", "", HOUR_MS, MIN_AGE_MS, MAX_AGE_MS) };
  }
  if (model !== "static") throw wrong("/model", "expected vivaldi or static");
  const { table } = read.object(root, "", ["model", "table"]);
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
  const { from, to, rttMs } = read.object(item, at, ["from", "to", "rttMs"]);
  if (typeof from !== "string" || !PEER.test(from)) throw wrong(`${at}/from`, "expected a peer's name");
  if (typeof to !== "string" || !PEER.test(to)) throw wrong(`${at}/to`, "expected a peer's name");
  if (typeof rttMs !== "number" || !isRtt(rttMs))
    throw wrong(`${at}/rttMs`, "expected milliseconds from 0.001 to 60000");
  return { from, to, rttMs };
}

function wrong(pointer: string, problem: string): Error {
  return new Error(`GEOMETRY_CONFIG_INVALID at ${pointer}: ${problem}`);
}
