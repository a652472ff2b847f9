/** What a person may set of the store, parsed once at the start of an activation. */
import type { Json, Keys } from "@vnes/sdk";

export type StoreConfig = {
  /** Live sessions beyond it are refused (`SESSIONS_FULL`). */
  readonly maxSessions: number;
};

/** With the largest records there can be, 2 KB, within what a shard of the system zone may keep by default. */
const DEFAULT_MAX_SESSIONS = 100_000;
/** A timer each is what a shard may set. */
const MOST_SESSIONS = 1_000_000;

export function parseConfig(config: Json): StoreConfig {
  const root = config ?? {};
  if (typeof root !== "object" || Array.isArray(root)) throw wrong("/", "expected an object");
  const { maxSessions = DEFAULT_MAX_SESSIONS, ...rest } = root as { readonly [name: string]: Json };
  const unknown = Object.keys(rest)[0];
  if (unknown !== undefined) throw wrong(`/${unknown}`, "unknown field");
  if (
    !Number.isInteger(maxSessions) ||
    (maxSessions as number) < 1 ||
    (maxSessions as number) > MOST_SESSIONS
  )
    throw wrong("/maxSessions", `expected a whole number from 1 to ${MOST_SESSIONS}`);
  return { maxSessions: maxSessions as number };
}

export function saveConfig(keys: Keys, config: StoreConfig): void {
  keys.set("config", config);
}

export function loadConfig(keys: Keys): StoreConfig {
  const config = keys.get("config");
  if (config === undefined) throw new Error("a turn before the start of the store");
  return config as StoreConfig;
}

function wrong(pointer: string, problem: string): Error {
  return new Error(`SESSION_CONFIG_INVALID at ${pointer}: ${problem}`);
}
