/** What a person may set of the store, parsed once at the start of an activation. */
import type { Json, Keys } from "@vnes/sdk";
import { configReader } from "@vnes/sdk/config";

export type StoreConfig = {
  /** Live sessions beyond it are refused (`SESSIONS_FULL`). */
  readonly maxSessions: number;
};

/** With records of 2 KB, the largest of a usual policy, within what a shard of the system zone may keep by default. */
const DEFAULT_MAX_SESSIONS = 100_000;
/** A timer each is what a shard may set. */
const MOST_SESSIONS = 1_000_000;

const read = configReader(wrong);

export function parseConfig(config: Json): StoreConfig {
  const root = read.object(config ?? {}, "", ["maxSessions"]);
  return { maxSessions: read.whole(root, "maxSessions", "", DEFAULT_MAX_SESSIONS, 1, MOST_SESSIONS) };
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
