/** One delivery on its way through a shard. */
import type { Delivery } from "@vnes/schemas";
import type { KeyRounds } from "../../ledger/key-rounds.ts";
import type { TurnInput } from "../../ledger/record.ts";

export interface Waiting {
  readonly input: TurnInput;
  readonly delivery: Delivery;
  /** How many calls lead here. */
  readonly depth: number;
  /** Confirms to the sender that this delivery needs no repeating. */
  readonly confirm?: () => void;
  /** Where it was pulled from, when it is an event that is kept: beside a start the only deliveries that are tried again. */
  readonly feed?: EventFeed;
  /** A batch as single events, each a delivery of its own. */
  readonly split?: () => readonly Waiting[];
  /** Its place among all that came to the inbox, and what its input counts there: the inbox's own. */
  order?: number;
  size?: number;
  /** Turn number, kept when the delivery is repeated. */
  turn?: number | undefined;
  /** What it was given of its keys so far, once it has asked for some. */
  given?: KeyRounds;
  /** Of which state that is: its shard's seq. */
  givenAt?: number;
  /** Turns of it that failed. */
  failed?: number;
  /** What the latest delivery of it told the capsule. */
  ran?: { readonly at: number; readonly seed: string } | undefined;
}

/** One partition as one shard reads it; what was pulled can be given back, in order. */
export interface EventFeed {
  readonly retries: number;
  /** True while something given back is waiting: what comes behind it has to be given back too. */
  readonly isHolding: boolean;
  /** Puts the first of what was pulled back in front, to be pulled again at `at`, one at a time. */
  hold(waiting: readonly Waiting[], at: number): void;
  /** Puts another back among them, in the order of the partition. */
  holdBehind(waiting: Waiting): void;
  /** Counts for people: a try that will be repeated, a delivery that was given up. */
  note(what: "retried" | "deadLetters"): void;
}
