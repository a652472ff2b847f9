/** What becomes of a kept event whose turn failed: another try, its batch taken apart, or a dead letter. */
import { DEFAULT_DETERMINISM_TIER, type Effect, type Manifest } from "@vnes/schemas";
import { deadLetterOf } from "../../bus/dead-letter.ts";
import { retryDelayMs } from "../../bus/retry.ts";
import type { Topics } from "../../bus/topics.ts";
import type { Failure } from "../../bus/turn-verdict.ts";
import type { Counters } from "../node/counters.ts";
import type { Waiting } from "../shard/waiting.ts";

export class FailedEvents {
  readonly #manifest: Manifest;
  readonly #topics: Topics;
  readonly #counters: Counters;

  constructor(rules: { readonly manifest: Manifest; readonly topics: Topics }, counters: Counters) {
    this.#manifest = rules.manifest;
    this.#topics = rules.topics;
    this.#counters = counters;
  }

  /** True when it was given back to its partition and will be delivered again: nothing of this try is recorded. */
  isTriedAgain(waiting: Waiting, { code }: Failure, now: number): boolean {
    const { feed, split } = waiting;
    if (feed === undefined) return false;
    waiting.failed = (waiting.failed ?? 0) + 1;
    const tier = this.#manifest.capabilities.determinism_tier ?? DEFAULT_DETERMINISM_TIER;
    const delay = retryDelayMs({ code, tier, failed: waiting.failed, retries: feed.retries });
    if (delay !== undefined) {
      delete waiting.given;
      this.#counters.add("turn.retried");
      feed.note("retried");
      feed.hold([waiting], now + delay);
      return true;
    }
    if (split === undefined) return false;
    // One event of it is to blame: alone, it is found, and the others are taken.
    this.#counters.add("turn.batchSplit");
    feed.hold(split(), now);
    return true;
  }

  /** The letter that goes into the record of a turn that is given up; undefined where none is due. */
  letter({ delivery, feed, failed = 1 }: Waiting, failure: Failure, at: number): Effect | undefined {
    if (feed !== undefined) {
      feed.note("deadLetters");
      this.#counters.add("deadLetters");
    }
    const about = { subscriber: this.#manifest.id, attempts: failed, at };
    return deadLetterOf(delivery, failure, about, this.#topics);
  }
}
