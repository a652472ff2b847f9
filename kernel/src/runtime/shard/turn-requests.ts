/** What a sandbox is told of the deliveries it is to run. */
import type { TurnRequest } from "@vnes/schemas";
import type { ShardState } from "../../ledger/shard-state.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Random } from "../../ports/random.ts";
import type { Waiting } from "./waiting.ts";

export interface TurnRequestParts {
  readonly state: ShardState;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * One for each, in order; each delivery remembers what it told, because its record says the same. `goesAhead`: turns before them have not
 * been answered yet.
 */
export function turnRequests(
  batch: readonly Waiting[],
  { state, clock, random }: TurnRequestParts,
  goesAhead: boolean,
): TurnRequest[] {
  const at = Math.max(state.at, clock.now());
  return batch.map((waiting, index) => {
    const { turn = 0, delivery, given, givenAt } = waiting;
    // An event that is tried again waits in its partition, and calls and other topics' events go before it (KY2).
    if (given !== undefined && (goesAhead || index > 0 || givenAt !== state.seq)) given.forget();
    const request = { turn, at, seed: random.seed(), delivery };
    waiting.ran = request;
    return given === undefined ? request : { ...request, keys: given.keys, ranges: given.ranges };
  });
}
