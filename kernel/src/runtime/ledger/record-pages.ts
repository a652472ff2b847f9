/** Single records of many shards, read a page at a time: whoever looks one up mostly wants the next one next. */
import type { LedgerStore, StoredRecord } from "../../ports/ledger-store.ts";

const PAGE = 256;
/** Shards looked into by turns; beyond it the page that came longest ago is read again. */
const MAX_PAGES = 64;

export class RecordPages {
  readonly #store: LedgerStore;
  readonly #pages = new Map<string, readonly StoredRecord[]>();

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
          break;
        }
      }
      this.#pages.set(shard, page);
    }
    const found = page[seq - (page[0]?.seq ?? 0)];
    return found?.seq === seq ? found : undefined;
  }
}
