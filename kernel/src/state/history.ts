/** What happened to one key, record by record: a fold that keeps the newest changes and counts the others. */
import type { Delivery, Json } from "@vnes/schemas";
import type { LedgerRecord, TurnInput } from "../ledger/record.ts";

export interface KeyChange {
  /** Of the record; the version of what it wrote. */
  readonly seq: number;
  readonly at: number;
  readonly change: "written" | "deleted" | "expired";
  /** Null unless it was written. */
  readonly value: Json;
  /** What the turn was run for: `call`, `event`, `timer`, ... */
  readonly by: string;
}

/** What the record did to the key; undefined when nothing. A deletion of what is not there is a change to nobody. */
export function keyChange(record: LedgerRecord, key: string): KeyChange | undefined {
  if (record.kind !== "turn") return undefined;
  const { seq, at, input } = record;
  const delivery = input.from === "topic" ? undefined : input.delivery;
  const by = nameOf(input, delivery);
  // A turn is one write of a key: of several effects the last one stands.
  const last = record.effects.findLast(
    (effect) => (effect.do === "write" || effect.do === "delete") && effect.key === key,
  );
  if (last?.do === "write") return { seq, at, change: "written", value: last.value, by };
  const isExpiry = delivery?.kind === "expiry" && delivery.key === key;
  if (isExpiry) return { seq, at, change: "expired", value: null, by };
  return last === undefined ? undefined : { seq, at, change: "deleted", value: null, by };
}

function nameOf(input: TurnInput, delivery: Delivery | undefined): string {
  if (delivery !== undefined) return delivery.kind;
  return input.from === "topic" && input.batch !== undefined ? "batch" : "event";
}

/** Keeps the last `limit` changes before seq `before`. */
export class KeyHistory {
  readonly #key: string;
  readonly #limit: number;
  readonly #before: number;
  #exists: boolean;
  #changes: KeyChange[] = [];
  #older = 0;

  /** `exists`: whether the key is there before the first record. */
  constructor(
    key: string,
    { exists, limit, before }: { readonly exists: boolean; readonly limit: number; readonly before: number },
  ) {
    this.#key = key;
    this.#exists = exists;
    this.#limit = limit;
    this.#before = before;
  }

  add(record: LedgerRecord): void {
    if (record.seq >= this.#before) return;
    const change = keyChange(record, this.#key);
    if (change === undefined || (change.change !== "written" && !this.#exists)) return;
    this.#exists = change.change === "written";
    this.#changes.push(change);
    if (this.#changes.length < 2 * this.#limit) return;
    this.#older += this.#changes.length - this.#limit;
    this.#changes = this.#changes.slice(-this.#limit);
  }

  /** Newest first; `older` says how many more there were before them. */
  result(): { readonly changes: readonly KeyChange[]; readonly older: number } {
    const kept = this.#changes.slice(-this.#limit);
    return { changes: kept.toReversed(), older: this.#older + this.#changes.length - kept.length };
  }
}
