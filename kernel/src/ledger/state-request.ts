/** What a reader asks of another's keys, as data: it is kept with the pending read and goes to whichever node has the shard. */
import type { ReadEffect } from "@vnes/schemas";

/** Either `keys` or `prefix`; `after` and `limit` as in `ReadEffect`. */
export type StateQuery = Pick<ReadEffect, "keys" | "prefix" | "after" | "limit">;

export type StateRequest = StateQuery & Pick<ReadEffect, "capsule" | "shard">;

export function requestOf({ capsule, shard, keys, prefix, after, limit }: ReadEffect): StateRequest {
  return {
    capsule,
    ...(shard === undefined ? {} : { shard }),
    ...(keys === undefined ? {} : { keys }),
    ...(prefix === undefined ? {} : { prefix }),
    ...(after === undefined ? {} : { after }),
    ...(limit === undefined ? {} : { limit }),
  };
}
