/** Reads a shard back for a replay: every hash checked, each turn with what it was told, events of other shards looked up. */
import type { Delivery } from "@vnes/schemas";
import { kernelErrors } from "../../errors.ts";
import { assertChain, hex } from "../../ledger/chain.ts";
import { decodeRecord, type EventRecord, type TopicInput, type TurnRecord } from "../../ledger/record.ts";
import type { Digest } from "../../ports/digest.ts";
import type { LedgerStore, StoredRecord } from "../../ports/ledger-store.ts";
import { deliveryOf, referenceOf, seqsOf } from "../../replay/delivery.ts";
import { replayErrors } from "../../replay/errors.ts";
import { RecordPages } from "../ledger/record-pages.ts";
import type { ShardHead } from "../ledger/shard-log.ts";
import { PageMemory } from "./page-memory.ts";

/** Small beside what is on its way to the sandbox: a store that reads at once holds up the sandbox no longer than that lasts. */
const PAGE = 128;

interface Page {
  readonly records: readonly StoredRecord[];
  /** In which they lie. */
  readonly memory: PageMemory | undefined;
}

export class ReplayReader {
  readonly #store: LedgerStore;
  readonly #shard: string;
  readonly #digest: Digest;
  readonly #pages: RecordPages;
  /** In order: pages that somebody may look at still. */
  readonly #held: { readonly last: number; readonly memory: PageMemory }[] = [];
  readonly #spare: PageMemory[] = [];

  constructor(store: LedgerStore, shard: string, digest: Digest) {
    this.#store = store;
    this.#shard = shard;
    this.#digest = digest;
    this.#pages = new RecordPages(store);
  }

  /**
   * Records after `head` to `to`, a page at a time, checked and not decoded. Held ones lie in memory that is used again: they stay
   * as they are until somebody is `done` with them. Throws `LEDGER_HASH_WRONG`; `STATE_COMPACTED` when they were dropped meanwhile.
   */
  async *records(head: ShardHead, to: number, isHeld = false): AsyncGenerator<readonly StoredRecord[]> {
    let { hash } = head;
    let from = head.seq + 1;
    let ahead = this.#page(from, to, isHeld);
    for (;;) {
      const { records: page, memory } = await ahead;
      const [first] = page;
      if (first === undefined) return;
      if (first.seq !== from) {
        const details = { shard: this.#shard, seq: from - 1, oldest: first.seq };
        throw kernelErrors.create("STATE_COMPACTED", details);
      }
      for (const { seq, bytes, hash: stored } of page)
        hash = assertChain(this.#shard, seq, hash, bytes, stored, this.#digest);
      from += page.length;
      if (memory !== undefined) this.#held.push({ last: from - 1, memory });
      ahead = this.#page(from, to, isHeld);
      yield page;
    }
  }

  /** Nobody looks at held records up to `seq` any more. */
  done(seq: number): void {
    for (let page = this.#held[0]; page !== undefined && page.last <= seq; page = this.#held[0]) {
      this.#held.shift();
      page.memory.clear();
      this.#spare.push(page.memory);
    }
  }

  /** Empty behind `to`. */
  #page(from: number, to: number, isHeld: boolean): Promise<Page> {
    if (from > to) return Promise.resolve({ records: [], memory: undefined });
    const memory = isHeld ? (this.#spare.pop() ?? new PageMemory()) : undefined;
    const limit = Math.min(PAGE, to - from + 1);
    const page = this.#store.read(this.#shard, from, limit, memory).then((records) => ({ records, memory }));
    // Whoever asks for it hears of it; a page nobody comes to must not end the process.
    page.catch(() => undefined);
    return page;
  }

  /** Throws `REPLAY_INPUT_MISSING` when the event a turn refers to is not there or is another. */
  async delivery({ seq, input }: TurnRecord): Promise<Delivery> {
    const reference = referenceOf(input);
    if (reference === undefined) return deliveryOf(input, []);
    const events: EventRecord[] = [];
    for (const at of seqsOf(reference)) events.push(await this.#event(seq, reference, at));
    return deliveryOf(input, events);
  }

  /** The input names the hash of its last event, which covers those before it. */
  async #event(turn: number, reference: TopicInput, seq: number): Promise<EventRecord> {
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
    return record;
  }
}
