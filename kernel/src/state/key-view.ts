/** A shard's keys at one seq, to look at. */
import type { Json } from "@vnes/schemas";

export interface KeyView {
  readonly keys: ReadonlyMap<string, Json>;
  readonly versions: ReadonlyMap<string, number>;
}

/** As they are now, whatever is folded into the state later. Values are never changed in place. */
export function copyKeys({ keys, versions }: KeyView): KeyView {
  return { keys: new Map(keys), versions: new Map(versions) };
}
