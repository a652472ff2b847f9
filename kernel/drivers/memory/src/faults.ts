/** Faults a simulation asks for, by the running number of the operation they hit; the first is 1. */

export interface StoreFaults {
  /** This append (counted over all shards) is refused as a full disk would. */
  readonly diskFullAt?: ReadonlySet<number>;
  /** This append and everything after it fails as a broken disk would, until the store is opened again. */
  readonly ioFailedAt?: number;
  /** The process "dies" at this commit: before it is kept, or after it is kept and before anybody hears of it. */
  readonly crashAtCommit?: { readonly commit: number; readonly kept: boolean };
  /** Rounds of the event loop a commit waits, from the number of the commit. */
  readonly delay?: (commit: number) => number;
}

export interface SandboxFaults {
  /** The host dies at this delivery, counted over every instance of the sandbox. */
  readonly hostDiesAt?: ReadonlySet<number>;
}
