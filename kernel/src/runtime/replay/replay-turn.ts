/** One turn that is run again: cut out of its record's bytes where that can be done, decoded where it cannot or where somebody looks. */
import type { Delivery, TurnRequest } from "@vnes/schemas";
import { kernelErrors } from "../../errors.ts";
import { decodeRecord, type TurnRecord } from "../../ledger/record.ts";
import type { StoredRecord } from "../../ports/ledger-store.ts";
import { deliveryOf } from "../../replay/delivery.ts";
import { expectedResult } from "../../replay/output.ts";
import { TextBuffer } from "../../replay/text-buffer.ts";
import { addRequest, addResult, cutTurn, type TurnCut } from "../../replay/turn-text.ts";

const decoder = new TextDecoder();

export class ReplayTurn {
  readonly #stored: StoredRecord;
  /** Hash of the record before. */
  readonly previous: Uint8Array;
  readonly #cut: TurnCut | undefined;
  #record: TurnRecord | undefined;
  #delivery: Delivery | undefined;

  private constructor(
    stored: StoredRecord,
    previous: Uint8Array,
    cut?: TurnCut,
    record?: TurnRecord,
    delivery?: Delivery,
  ) {
    this.#stored = stored;
    this.previous = previous;
    this.#cut = cut;
    this.#record = record;
    this.#delivery = delivery;
  }

  /** Undefined for a record that has to be decoded: another kind, another end, an input by reference. */
  static cut(stored: StoredRecord, previous: Uint8Array): ReplayTurn | undefined {
    const cut = cutTurn(stored.bytes, stored.seq);
    return cut === undefined ? undefined : new ReplayTurn(stored, previous, cut);
  }

  static decoded(
    stored: StoredRecord,
    previous: Uint8Array,
    record: TurnRecord,
    delivery: Delivery,
  ): ReplayTurn {
    return new ReplayTurn(stored, previous, undefined, record, delivery);
  }

  /** Holds what was cut against the record (T2). Throws `LEDGER_RECORD_INVALID`. */
  assertCut(): void {
    if (this.#cut === undefined) return;
    const text = new TextBuffer();
    this.addRequest(text);
    this.addExpected(text);
    const said = JSON.stringify(this.request) + expectedResult(this.record);
    if (decoder.decode(text.bytes) === said) return;
    const { shard, seq } = this.#stored;
    const problem = "its bytes are not as a ledger writes them";
    throw kernelErrors.create("LEDGER_RECORD_INVALID", { shard, seq, problem });
  }

  get seq(): number {
    return this.#stored.seq;
  }

  get hash(): Uint8Array {
    return this.#stored.hash;
  }

  /** Throws `LEDGER_RECORD_INVALID`. */
  get record(): TurnRecord {
    const { shard, seq, bytes } = this.#stored;
    this.#record ??= decodeRecord(shard, seq, bytes) as TurnRecord;
    return this.#record;
  }

  get delivery(): Delivery {
    this.#delivery ??= deliveryOf(this.record.input, []);
    return this.#delivery;
  }

  get request(): TurnRequest {
    const { seq, at, seed } = this.record;
    return { turn: seq, at, seed, delivery: this.delivery };
  }

  addRequest(to: TextBuffer): void {
    if (this.#cut === undefined) to.addText(JSON.stringify(this.request));
    else addRequest(to, this.#stored.bytes, this.#cut);
  }

  /** What the sandbox is expected to say; nothing for a turn whose result has to be looked at. */
  addExpected(to: TextBuffer): void {
    if (this.#cut === undefined) to.addText(expectedResult(this.record));
    else addResult(to, this.#stored.bytes, this.#cut);
  }
}
