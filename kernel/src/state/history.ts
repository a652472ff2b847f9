/** What happened to one key, record by record: a fold that keeps the newest changes and counts the others. */
import type { Delivery, Json } from "@vnes/schemas";
import type { LedgerRecord, TurnInput } from "../ledger/record.ts";
import { MAX_PAGE_SIZE, sizeOfJson } from "./page.ts";

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
function keyChange(record: LedgerRecord, key: string): KeyChange | undefined {
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

/** Keeps the last changes before seq `before`: at most `limit`, and at most `MAX_PAGE_SIZE` of them but always one. */
export class KeyHistory {
  readonly #key: string;
  readonly #limit: number;
  readonly #before: number;
  #exists: boolean;
  #changes: { readonly change: KeyChange; readonly size: number }[] = [];
  #size = 0;
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
    const size = sizeOfJson(change);
    this.#changes.push({ change, size });
    this.#size += size;
    while (this.#changes.length > this.#limit || (this.#size > MAX_PAGE_SIZE && this.#changes.length > 1)) {
      this.#size -= this.#changes.shift()?.size ?? 0;
      this.#older += 1;
    }
  }

  /** Newest first; `older` says how many more there were before them. */
  result(): { readonly changes: readonly KeyChange[]; readonly older: number } {
    return { changes: this.#changes.map(({ change }) => change).toReversed(), older: this.#older };
  }
}
