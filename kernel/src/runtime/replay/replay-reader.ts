/** Reads a shard back for a replay: every hash checked, each turn with what it was told, events of other shards looked up. */
import type { Delivery } from "@vnes/schemas";
import { assertChain, hex } from "../../ledger/chain.ts";
import {
  decodeRecord,
  type EventRecord,
  type LedgerRecord,
  type TopicInput,
  type TurnRecord,
} from "../../ledger/record.ts";
import type { Digest } from "../../ports/digest.ts";
import type { LedgerStore } from "../../ports/ledger-store.ts";
import { deliveryOf, referenceOf, seqsOf } from "../../replay/delivery.ts";
import { replayErrors } from "../../replay/errors.ts";
import { RecordPages } from "../ledger/record-pages.ts";
import type { ShardHead } from "../ledger/shard-log.ts";

const PAGE = 512;

export interface ReadRecord {
  readonly record: LedgerRecord;
  /** Bytes it takes in the ledger. */
  readonly size: number;
}

export class ReplayReader {
  readonly #store: LedgerStore;
  readonly #shard: string;
  readonly #digest: Digest;
  readonly #pages: RecordPages;

  constructor(store: LedgerStore, shard: string, digest: Digest) {
    this.#store = store;
    this.#shard = shard;
    this.#digest = digest;
    this.#pages = new RecordPages(store);
  }

  /** Records after `head` to `to`, a page at a time; a delivery's size is that of what it refers to. Throws `LEDGER_HASH_WRONG` or `LEDGER_RECORD_INVALID`. */
  async *records(head: ShardHead, to: number): AsyncGenerator<readonly ReadRecord[]> {
    let { hash } = head;
    for (let from = head.seq + 1; from <= to; ) {
      const page = await this.#store.read(this.#shard, from, Math.min(PAGE, to - from + 1));
      if (page.length === 0) return;
      yield page.map(({ seq, bytes, hash: stored }) => {
        hash = assertChain(this.#shard, seq, hash, bytes, stored, this.#digest);
        return { record: decodeRecord(this.#shard, seq, bytes), size: bytes.length };
      });
      from += page.length;
    }
  }

  /** Throws `REPLAY_INPUT_MISSING` when the event a turn refers to is not there or is another. */
  async delivery({
    seq,
    input,
  }: TurnRecord): Promise<{ readonly delivery: Delivery; readonly size: number }> {
    const reference = referenceOf(input);
    if (reference === undefined) return { delivery: deliveryOf(input, []), size: 0 };
    const events: EventRecord[] = [];
    let total = 0;
    for (const at of seqsOf(reference)) {
      const { event, size } = await this.#event(seq, reference, at);
      events.push(event);
      total += size;
    }
    return { delivery: deliveryOf(input, events), size: total };
  }

  /** The input names the hash of its last event, which covers those before it. */
  async #event(
    turn: number,
    reference: TopicInput,
    seq: number,
  ): Promise<{ event: EventRecord; size: number }> {
    const { shard } = reference;
    const missing = (problem: string): Error =>
      replayErrors.create("REPLAY_INPUT_MISSING", {
        shard: this.#shard,
        seq: turn,
        of: `${shard} ${seq}`,
        problem,
      });
    const stored = await this.#pages.get(shard, seq);
    if (stored === undefined) throw missing("it is not in the ledger");
    if (seq === reference.seq && hex(stored.hash) !== reference.hash) throw missing("its hash is another");
    const record = decodeRecord(shard, seq, stored.bytes);
    if (record.kind !== "event") throw missing("it is no event");
    return { event: record, size: stored.bytes.length };
  }
}
