/** Faults a simulation asks for, by the running number of the operation they hit; the first is 1. */
import type { TurnRequest } from "@vnes/schemas";

export interface StoreFaults {
  /** This append (counted over all shards) is refused as a full disk would. */
  readonly diskFullAt?: ReadonlySet<number>;
  /** This append and everything after it fails as a broken disk would, until the store is opened again. */
  readonly ioFailedAt?: number;
  /** The process "dies" at this commit: before it is kept, or after it is kept and before anybody hears of it. */
  readonly crashAtCommit?: { readonly commit: number; readonly kept: boolean };
  /** Rounds of the event loop a commit waits, from the number of the commit. */
  readonly delay?: (commit: number) => number;
  /** Runs a commit later, instead of after `delay` rounds of the event loop: for a commit that takes virtual time. */
  readonly later?: (commit: number, run: () => void) => void;
}

export interface SandboxFaults {
  /** The host dies at this delivery, counted over every instance of the sandbox. */
  readonly hostDiesAt?: ReadonlySet<number>;
  /** The host dies of this turn, whenever and wherever it runs. */
  readonly hostDiesOn?: (request: TurnRequest) => boolean;
  /** The deadline falls during this delivery, counted the same way: its turn fails and its instance starts afresh. */
  readonly deadlineAt?: ReadonlySet<number>;
  /** This opening of an instance fails as a host that does not start does. */
  readonly openFailsAt?: ReadonlySet<number>;
  /** Runs a batch later, from the number of the batch: for a sandbox that takes virtual time. */
  readonly later?: (batch: number, run: () => void) => void;
}
