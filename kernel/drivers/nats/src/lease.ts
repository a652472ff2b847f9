/**
 * How long an owner of a group may act without hearing from the ledger, and when somebody else may claim it. Pure.
 *
 * L1. The lease runs from when a message was first sent that was confirmed later: the server stored it no earlier.
 * L2. Another node claims only when the server's newest message of the owner is older than lease and margin, so every
 *     lease that could still be held has run out, as long as the clocks run at about the same rate.
 */

/**
 * An election of a leader takes up to 8.5 s (measured). An idle owner's last message is up to BEAT_MS old when it begins,
 * and up to a second passes until the message is sent again to the new leader: 12.5 s that must not cost the lease.
 */
export const LEASE_MS = 15_000;
/** For clocks of servers that differ, and for a message that was under way. */
export const MARGIN_MS = 3_000;
/** Beats an owner may miss before its lease runs out. */
const BEATS_A_LEASE = 5;

function beatMs(leaseMs: number): number {
  return leaseMs / BEATS_A_LEASE;
}

export class Lease {
  readonly #leaseMs: number;
  #sentAt = Number.NEGATIVE_INFINITY;

  constructor(leaseMs: number) {
    this.#leaseMs = leaseMs;
  }

  /** A message sent at `sentAt` was read back. */
  confirm(sentAt: number): void {
    if (sentAt > this.#sentAt) this.#sentAt = sentAt;
  }

  isHeld(now: number): boolean {
    return now < this.#sentAt + this.#leaseMs;
  }

  isBeatDue(now: number): boolean {
    return now >= this.#sentAt + beatMs(this.#leaseMs);
  }
}

/** Milliseconds until somebody else may claim, by the server's clock; 0 when now. */
export function claimableIn(ownerAt: number, leaseMs: number, serverNow: number): number {
  return Math.max(ownerAt + leaseMs + MARGIN_MS - serverNow, 0);
}
