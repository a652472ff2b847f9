/** Reads a shard back for a replay: every hash checked, each turn with what it was told, events of other shards looked up. */
import type { Delivery } from "@vnes/schemas";
import { assertChain, genesisHash, hex } from "../ledger/chain.ts";
import {
  decodeRecord,
  type EventRecord,
  type LedgerRecord,
  type TopicInput,
  type TurnRecord,
} from "../ledger/record.ts";
import type { Digest } from "../ports/digest.ts";
import type { LedgerStore, StoredRecord } from "../ports/ledger-store.ts";
import { deliveryOf, referenceOf, seqsOf } from "../replay/delivery.ts";
import { replayErrors } from "../replay/errors.ts";

const PAGE = 512;
/** Subscribers read a partition in order, so a page of it serves many turns. */
const EVENT_PAGE = 256;
/** Partitions one capsule reads by turns; beyond it the page read longest ago is read again. */
const MAX_EVENT_PAGES = 64;

export interface ReadRecord {
  readonly record: LedgerRecord;
  /** Bytes it takes in the ledger. */
  readonly size: number;
}

export class ReplayReader {
  readonly #store: LedgerStore;
  readonly #shard: string;
  readonly #digest: Digest;
  readonly #pages = new Map<string, readonly StoredRecord[]>();

  constructor(store: LedgerStore, shard: string, digest: Digest) {
    this.#store = store;
    this.#shard = shard;
    this.#digest = digest;
  }

  /** Records from the first to `to`, a page at a time; a delivery's size is that of what it refers to. Throws `LEDGER_HASH_WRONG` or `LEDGER_RECORD_INVALID`. */
  async *records(to: number): AsyncGenerator<readonly ReadRecord[]> {
    let hash = genesisHash(this.#shard, this.#digest);
    for (let from = 1; from <= to; ) {
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
    const page = await this.#page(shard, seq);
    const stored = page[seq - (page[0]?.seq ?? 0)];
    if (stored === undefined) throw missing("it is not in the ledger");
    if (seq === reference.seq && hex(stored.hash) !== reference.hash) throw missing("its hash is another");
    const record = decodeRecord(shard, seq, stored.bytes);
    if (record.kind !== "event") throw missing("it is no event");
    return { event: record, size: stored.bytes.length };
  }

  async #page(shard: string, seq: number): Promise<readonly StoredRecord[]> {
    const known = this.#pages.get(shard);
    const first = known?.[0]?.seq ?? 0;
    if (known !== undefined && seq >= first && seq < first + known.length) return known;
    this.#pages.delete(shard);
    const page = await this.#store.read(shard, seq, EVENT_PAGE);
    if (this.#pages.size >= MAX_EVENT_PAGES) {
      for (const oldest of this.#pages.keys()) {
        this.#pages.delete(oldest);
        break;
      }
    }
    this.#pages.set(shard, page);
    return page;
  }
}
