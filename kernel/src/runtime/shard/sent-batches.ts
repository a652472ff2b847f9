/**
 * The batches of one shard that are in its sandbox, oldest first: how large the next one is, and whether it goes before the one in
 * front of it has been answered. With one on its way and one being written down, sandbox and kernel work at the same time.
 *
 * B1. Batches are answered and settled in the order they were sent.
 * B2. What stands behind a turn that stopped its batch was not run, or ran on what will not be kept: it is sent again. What has run left
 *     writes in the sandbox's cache, and that is dropped first.
 */
import type { TurnResult } from "@vnes/schemas";
import type { Waiting } from "./waiting.ts";

/** Turns that cross into a sandbox at once: enough to hide the wake-up, few enough to keep latency below a turn deadline. */
const BATCH_TURNS = 64;
/** Fewer do not go ahead of an answer: crossing costs as much as they do, and more may come meanwhile. */
const AHEAD_TURNS = 16;
const MAX_SENT = 2;
/** Batches without a stop after which one goes ahead again: behind a stop it would cross for nothing. */
const CALM_BATCHES = 4;

export interface Sent {
  readonly batch: readonly Waiting[];
  /** Nobody need look at it for its failure to be handled. */
  readonly results: Promise<readonly TurnResult[]>;
}

export interface TakenBack {
  /** In order. */
  readonly batch: readonly Waiting[];
  /** A turn of it ran: it may have left when the answer that stops it had come and nobody had looked at it yet. */
  readonly hasRun: boolean;
}

export class SentBatches {
  #sent: Sent[] = [];
  #turns = 0;
  #calm = 0;

  /** Turns in all of them. */
  get turns(): number {
    return this.#turns;
  }

  get first(): Sent | undefined {
    return this.#sent[0];
  }

  /** Turns that the next one may have, when `ready` wait; 0: none goes now. */
  room(ready: number): number {
    const isAlone = this.#sent.length === 0;
    const goesAhead = this.#calm >= CALM_BATCHES && ready >= AHEAD_TURNS;
    if (!goesAhead) return isAlone ? BATCH_TURNS : 0;
    if (!isAlone) return this.#sent.length < MAX_SENT ? BATCH_TURNS : 0;
    // One half is run while the other is written down.
    return Math.min(BATCH_TURNS, Math.max(AHEAD_TURNS, Math.ceil(ready / 2)));
  }

  add(batch: readonly Waiting[], results: Promise<readonly TurnResult[]>): void {
    results.catch(() => undefined);
    this.#sent.push({ batch, results });
    this.#turns += batch.length;
  }

  /** The first was settled; `isWhole`: nothing of it has to be delivered again. */
  settled(isWhole: boolean): void {
    this.#turns -= this.#sent.shift()?.batch.length ?? 0;
    this.#calm = isWhole ? this.#calm + 1 : 0;
  }

  /** B2: resolves with what was in them once none of them is in the sandbox any more. */
  async takeBack(): Promise<TakenBack> {
    const sent = this.#sent;
    this.#sent = [];
    this.#turns = 0;
    this.#calm = 0;
    const answers = await Promise.allSettled(sent.map(({ results }) => results));
    const hasRun = answers.some((answer) => answer.status === "fulfilled" && answer.value.some(wasRun));
    return { batch: sent.flatMap(({ batch }) => batch), hasRun };
  }
}

function wasRun({ kind }: TurnResult): boolean {
  return kind !== "needKeys";
}
