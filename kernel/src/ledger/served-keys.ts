/** The values a sandbox asked for with `needKeys`, taken from the state of its shard. */
import type { GivenKey, Json } from "@vnes/schemas";
import type { ShardState } from "./shard-state.ts";

/** A state up to this is handed over whole: a fraction of what the sandbox caches, a few milliseconds to cross. */
const WHOLE_STATE_KEYS = 4_096;
const WHOLE_STATE_BYTES = 1024 * 1024;

export interface ServedKeys {
  readonly keys: readonly GivenKey[];
  /** Prefixes of which `keys` holds every key. */
  readonly ranges: readonly string[];
}

/** A small state crosses whole the first time anything is missing; one key a turn would be one crossing a key. */
export function serveKeys(
  { keys: values, versions }: Pick<ShardState, "keys" | "versions">,
  asked: { readonly keys: readonly string[]; readonly ranges: readonly string[] },
): ServedKeys {
  const keys: GivenKey[] = [];
  const give = (key: string): void => {
    const [value, version] = [values.get(key), versions.get(key)];
    if (value === undefined || version === undefined) keys.push([key]);
    else keys.push([key, value, version]);
  };
  for (const key of asked.keys) give(key);
  const ranges = isSmall(values) ? [""] : asked.ranges;
  for (const prefix of ranges) for (const key of values.keys()) if (key.startsWith(prefix)) give(key);
  return { keys, ranges };
}

function isSmall(keys: ReadonlyMap<string, Json>): boolean {
  if (keys.size > WHOLE_STATE_KEYS) return false;
  let bytes = 0;
  for (const [key, value] of keys) {
    bytes += key.length + JSON.stringify(value).length;
    if (bytes > WHOLE_STATE_BYTES) return false;
  }
  return true;
}
