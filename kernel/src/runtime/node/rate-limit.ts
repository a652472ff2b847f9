/** How many events a subscription with a rate may take now, and a wake-up for when it may take the next. */
import { type Bucket, burstOf, readyAt, refilled } from "../../bus/flow.ts";
import type { WakeUp } from "../shard/wake-up.ts";

export class RateLimit {
  readonly #ratePerS: number | undefined;
  readonly #wakeUp: WakeUp;
  #bucket: Bucket;

  /** Without a rate there is no limit. */
  constructor(ratePerS: number | undefined, wakeUp: WakeUp) {
    this.#ratePerS = ratePerS;
    this.#wakeUp = wakeUp;
    this.#bucket = { tokens: burstOf(ratePerS ?? 0), at: 0 };
  }

  /** Whole events that may be taken; where there is none, it wakes when there is. */
  room(now: number): number {
    if (this.#ratePerS === undefined) return Number.POSITIVE_INFINITY;
    this.#bucket = refilled(this.#bucket, this.#ratePerS, now);
    if (this.#bucket.tokens >= 1) return Math.floor(this.#bucket.tokens);
    this.#wakeUp.at(readyAt(this.#bucket, this.#ratePerS));
    return 0;
  }

  /** A batch may take more than there is room for; what comes next waits the longer. */
  spend(events: number): void {
    if (this.#ratePerS === undefined) return;
    this.#bucket = { ...this.#bucket, tokens: this.#bucket.tokens - events };
  }
}
