/** What a sandbox is told of the deliveries it is to run. */
import type { TurnRequest } from "@vnes/schemas";
import type { ShardState } from "../../ledger/shard-state.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Random } from "../../ports/random.ts";
import type { Waiting } from "./waiting.ts";

/** One for each, in order; each delivery remembers what it told, because its record says the same. */
export function turnRequests(
  batch: readonly Waiting[],
  { state, clock, random }: { readonly state: ShardState; readonly clock: Clock; readonly random: Random },
): TurnRequest[] {
  const at = Math.max(state.at, clock.now());
  return batch.map((waiting) => {
    const { turn = 0, delivery, given } = waiting;
    const request = { turn, at, seed: random.seed(), delivery };
    waiting.ran = request;
    return given === undefined ? request : { ...request, keys: given.keys, ranges: given.ranges };
  });
}
