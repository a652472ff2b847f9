/**
 * Effects of other shards, which come at least once, on their way into the inbox, where they come once. Owns how far each sender was
 * seen: the highest of its effects that is in the inbox or consumed. Does not know what is consumed: the fold of the records does.
 *
 * SE1. An effect at or below that one is dropped, and counted.
 * SE2. A sender is told that it need not repeat an effect once the turn that consumed it is durable, by whatever copy of it.
 */
import type { Delivery } from "@vnes/schemas";
import { type EffectId, isAtOrBelow, type Watermark } from "../../ledger/effect-id.ts";
import type { ShardState } from "../../ledger/shard-state.ts";
import type { Counters } from "../node/counters.ts";
import type { Inbox } from "./inbox.ts";

export interface SeenEffectsParts {
  readonly state: ShardState;
  readonly inbox: Inbox;
  readonly counters: Counters;
  /** Calls back once all turns so far are durable; never when they will not be. */
  whenDurable(then: () => void): void;
}

export class SeenEffects {
  readonly #parts: SeenEffectsParts;
  readonly #seen = new Map<string, Watermark>();

  constructor(parts: SeenEffectsParts) {
    this.#parts = parts;
    for (const [sender, watermark] of parts.state.watermarks) this.#seen.set(sender, { ...watermark });
  }

  /** False when there is no room for it. */
  receive(source: EffectId, depth: number, delivery: Delivery, confirm: () => void): boolean {
    const { shard, seq, index } = source;
    if (isAtOrBelow(source, this.#seen.get(shard))) {
      this.#parts.counters.add("effect.duplicatesDropped");
      // Seen does not mean durable: a copy that still waits will confirm by itself.
      if (isAtOrBelow(source, this.#parts.state.watermarks.get(shard))) this.#parts.whenDurable(confirm);
      return true;
    }
    const input = { from: "effect", shard, seq, index, depth, delivery } as const;
    if (!this.#parts.inbox.push({ input, delivery, depth, confirm })) return false;
    this.#seen.set(shard, { seq, index });
    return true;
  }
}
