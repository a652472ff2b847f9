/** What every key of a shard was after every record, from the records alone. */
import type { Json } from "@vnes/schemas";
import type { LedgerRecord } from "../../kernel/src/ledger/record.ts";

export interface KeyState {
  /** Seq of the record that wrote it. */
  readonly version: number;
  readonly value: Json;
  /** Node time at which it goes; undefined: it stays. */
  readonly dueAt: number | undefined;
}

export class KeyHistory {
  /** By key: what it became, with the seq from which on; undefined: it was gone. */
  readonly #moments = new Map<string, { readonly from: number; readonly state: KeyState | undefined }[]>();

  /** Records are taken in order; effects of one record see each other. */
  take(record: LedgerRecord): void {
    if (record.kind !== "turn") return;
    const { seq, at, input } = record;
    if (input.from !== "topic" && input.delivery.kind === "expiry")
      this.#set(input.delivery.key, seq, undefined);
    for (const effect of record.effects) {
      if (effect.do === "delete") this.#set(effect.key, seq, undefined);
      if (effect.do !== "write") continue;
      const dueAt = effect.ttlMs === undefined ? undefined : at + effect.ttlMs;
      this.#set(effect.key, seq, { version: seq, value: effect.value, dueAt });
    }
  }

  /** After the record `seq`. */
  at(key: string, seq: number): KeyState | undefined {
    return this.#moments.get(key)?.findLast(({ from }) => from <= seq)?.state;
  }

  now(key: string): KeyState | undefined {
    return this.#moments.get(key)?.at(-1)?.state;
  }

  /** Every key there ever was. */
  keys(): readonly string[] {
    return [...this.#moments.keys()].sort();
  }

  #set(key: string, from: number, state: KeyState | undefined): void {
    const moments = this.#moments.get(key) ?? [];
    moments.push({ from, state });
    this.#moments.set(key, moments);
  }
}
