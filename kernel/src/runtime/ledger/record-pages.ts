/** Single records of many shards, read a page at a time: whoever looks one up mostly wants the next one next. */
import { decodeRecord, type LedgerRecord } from "../../ledger/record.ts";
import type { LedgerStore, StoredRecord } from "../../ports/ledger-store.ts";

const PAGE = 256;
/** Shards looked into by turns; beyond it the page that came longest ago is read again. */
const MAX_PAGES = 64;

export interface DecodedRecord {
  readonly record: LedgerRecord;
  readonly hash: Uint8Array;
}

export class RecordPages {
  readonly #store: LedgerStore;
  readonly #pages = new Map<string, readonly StoredRecord[]>();
  /** The newest of each shard that is in `#pages`. */
  readonly #decoded = new Map<string, DecodedRecord & { readonly seq: number }>();

  constructor(store: LedgerStore) {
    this.#store = store;
  }

  /** Undefined when the shard does not have it, or has it no more. */
  async get(shard: string, seq: number): Promise<StoredRecord | undefined> {
    let page = this.#pages.get(shard);
    const first = page?.[0]?.seq ?? 0;
    if (page === undefined || seq < first || seq >= first + page.length) {
      this.#pages.delete(shard);
      page = await this.#store.read(shard, seq, PAGE);
      if (this.#pages.size >= MAX_PAGES) {
        for (const oldest of this.#pages.keys()) {
          this.#pages.delete(oldest);
          this.#decoded.delete(oldest);
          break;
        }
      }
      this.#pages.set(shard, page);
    }
    const found = page[seq - (page[0]?.seq ?? 0)];
    return found?.seq === seq ? found : undefined;
  }

  /**
   * The same, decoded once for all who ask for it one behind the other: a turn that published thousands of events is one
   * large record, and each of those events refers to it. Throws `LEDGER_*` when it cannot be read.
   */
  async decoded(shard: string, seq: number): Promise<DecodedRecord | undefined> {
    const known = this.#decoded.get(shard);
    if (known?.seq === seq) return known;
    // The page may hold another record that cannot be read.
    const stored = await this.get(shard, seq).catch(async () => (await this.#store.read(shard, seq, 1))[0]);
    if (stored === undefined) return undefined;
    const decoded = { seq, record: decodeRecord(shard, seq, stored.bytes), hash: stored.hash };
    this.#decoded.set(shard, decoded);
    return decoded;
  }
}
