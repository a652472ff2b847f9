/**
 * What the records of a replay add up to. Most turns ask for nothing, so records are folded only when one does: they are
 * read again up to there, each of them once.
 */
import { decodeRecord } from "../../ledger/record.ts";
import { applyRecord, type ShardState } from "../../ledger/shard-state.ts";
import type { RecoveredShard } from "../boot/recovery.ts";
import type { ReplayReader } from "./replay-reader.ts";

export class ReplayState {
  readonly #reader: ReplayReader;
  readonly #state: ShardState;
  #head: RecoveredShard["head"];

  constructor(reader: ReplayReader, { state, head }: RecoveredShard) {
    this.#reader = reader;
    this.#state = state;
    this.#head = head;
  }

  /** The state after record `seq`, which never falls; valid until the next call. Rejects as the reader does. */
  async after(seq: number): Promise<ShardState> {
    for await (const page of this.#reader.records(this.#head, seq)) {
      for (const { shard, seq: at, bytes } of page) applyRecord(this.#state, decodeRecord(shard, at, bytes));
      this.#head = page.at(-1) ?? this.#head;
    }
    return this.#state;
  }
}
