/**
 * State back in time, from the records of a shard alone: what it was, what happened to a key, what changed between two
 * moments. It reads the store and nothing of the running shard, so it tells what is durable and nothing else.
 */
import type { ShardState } from "../../ledger/shard-state.ts";
import type { StateQuery } from "../../ledger/state-request.ts";
import type { Digest } from "../../ports/digest.ts";
import type { LedgerStore } from "../../ports/ledger-store.ts";
import { diffKeys, type KeyDifference } from "../../state/diff.ts";
import { stateErrors } from "../../state/errors.ts";
import { type KeyChange, KeyHistory } from "../../state/history.ts";
import { copyKeys, type KeyView } from "../../state/key-view.ts";
import { firstPage } from "../../state/page.ts";
import { readPage, type StatePage } from "../../state/read.ts";
import { keptAt, oldestKept, type Walk, walkShard } from "../ledger/shard-walk.ts";

/** Changes of a key in one answer. */
const MAX_CHANGES = 1_000;
/** Differences in one answer. */
export const MAX_DIFFERENCES = 1_000;
/** Each holds a state of its own in memory while it walks. */
const MAX_WALKS = 2;

/** A record, or the last one at or before a node time in milliseconds. */
export type Moment = { readonly seq: number } | { readonly at: number };

export interface StateAt extends StatePage {
  readonly shard: string;
  readonly seq: number;
  readonly at: number;
  /** Hash of the image its turns ran; null before the first activation. */
  readonly image: string | null;
}

export interface StateHistoryPage {
  readonly shard: string;
  readonly key: string;
  /** The first record that is still kept; what was before it is not among the changes. */
  readonly since: number;
  /** Newest first. */
  readonly changes: readonly KeyChange[];
  /** There are older ones: ask again with `before` set to this. */
  readonly next: number | null;
}

export interface StateDifference {
  readonly shard: string;
  readonly from: number;
  readonly to: number;
  readonly differences: readonly KeyDifference[];
  /** Differences that are not among them, behind the last one by key. */
  readonly more: number;
}

export class StateHistory {
  readonly #store: LedgerStore;
  readonly #digest: Digest;
  #walks = 0;

  constructor(store: LedgerStore, digest: Digest) {
    this.#store = store;
    this.#digest = digest;
  }

  /** The whole state after a record. Throws `STATE_SEQ_UNKNOWN` for one that is not there yet, and what `walkShard` throws. */
  async stateAt(shard: string, moment: Moment): Promise<ShardState> {
    return this.#walk(async () => {
      const last = await this.#last(shard);
      if ("at" in moment) {
        const { at } = moment;
        const from = await keptAt(this.#of(shard), at);
        return walkShard(this.#of(shard), { from, through: last }, (record) => record.at <= at);
      }
      this.#assertThere(shard, moment.seq, last);
      return walkShard(this.#of(shard), { from: moment.seq, through: moment.seq });
    });
  }

  async at(shard: string, moment: Moment, query: StateQuery): Promise<StateAt> {
    const state = await this.stateAt(shard, moment);
    const { seq, at, image } = state;
    return { shard, seq, at, image, ...readPage(state, query) };
  }

  async history(
    shard: string,
    key: string,
    { limit = 100, before = Number.POSITIVE_INFINITY }: { readonly limit?: number; readonly before?: number },
  ): Promise<StateHistoryPage> {
    return this.#walk(async () => {
      const last = await this.#last(shard);
      const from = await oldestKept(this.#of(shard));
      let history: KeyHistory | undefined;
      await walkShard(this.#of(shard), { from, through: last }, (record, state) => {
        history ??= new KeyHistory(key, {
          exists: state.keys.has(key),
          limit: Math.min(limit, MAX_CHANGES),
          before,
        });
        history.add(record);
        return record.seq < before;
      });
      const { changes, older } = history?.result() ?? { changes: [], older: 0 };
      return {
        shard,
        key,
        since: from + 1,
        changes,
        next: older === 0 ? null : (changes.at(-1)?.seq ?? null),
      };
    });
  }

  /** From the state after record `from` to the one after `to`, whichever is the earlier. */
  async diff(
    shard: string,
    from: number,
    to: number | undefined,
    { after = "", limit = MAX_DIFFERENCES }: { readonly after?: string; readonly limit?: number },
  ): Promise<StateDifference> {
    return this.#walk(async () => {
      const last = await this.#last(shard);
      const end = to ?? last;
      for (const seq of [from, end]) this.#assertThere(shard, seq, last);
      const [first, second] = [Math.min(from, end), Math.max(from, end)];
      let early: KeyView | undefined;
      const late = await walkShard(this.#of(shard), { from: first, through: second }, ({ seq }, state) => {
        if (seq === first + 1) early = copyKeys(state);
        return true;
      });
      early ??= copyKeys(late);
      const [was, is] = from <= end ? [early, late] : [late, early];
      const all = diffKeys(was, is).filter(({ key }) => key > after);
      const differences = firstPage(all, Math.min(limit, MAX_DIFFERENCES));
      return { shard, from, to: end, differences, more: all.length - differences.length };
    });
  }

  #of(shard: string): Walk {
    return { store: this.#store, digest: this.#digest, shard };
  }

  async #last(shard: string): Promise<number> {
    const last = await this.#store.lastSeq(shard);
    if (last === 0) throw stateErrors.create("STATE_SHARD_EMPTY", { shard });
    return last;
  }

  #assertThere(shard: string, seq: number, last: number): void {
    if (seq > last) throw stateErrors.create("STATE_SEQ_UNKNOWN", { shard, seq, last });
  }

  async #walk<Result>(walk: () => Promise<Result>): Promise<Result> {
    if (this.#walks >= MAX_WALKS) throw stateErrors.create("STATE_BUSY", { limit: MAX_WALKS });
    this.#walks++;
    try {
      return await walk();
    } finally {
      this.#walks--;
    }
  }
}
