/** The values a sandbox asked for with `needKeys`, taken from the state of its shard. */
import type { Json } from "@vnes/schemas";

/** A state up to this is handed over whole: a fraction of what the sandbox caches, a few milliseconds to cross. */
const WHOLE_STATE_KEYS = 4_096;
const WHOLE_STATE_BYTES = 1024 * 1024;

export interface ServedKeys {
  /** A key without a value does not exist. */
  readonly keys: readonly (readonly [key: string, value?: Json])[];
  /** Prefixes of which `keys` holds every key. */
  readonly ranges: readonly string[];
}

/** A small state crosses whole the first time anything is missing; one key a turn would be one crossing a key. */
export function serveKeys(
  state: ReadonlyMap<string, Json>,
  asked: { readonly keys: readonly string[]; readonly ranges: readonly string[] },
): ServedKeys {
  const keys: (readonly [string, Json?])[] = [];
  const give = (key: string): void => {
    const value = state.get(key);
    keys.push(value === undefined ? [key] : [key, value]);
  };
  for (const key of asked.keys) give(key);
  const ranges = isSmall(state) ? [""] : asked.ranges;
  for (const prefix of ranges) for (const key of state.keys()) if (key.startsWith(prefix)) give(key);
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
