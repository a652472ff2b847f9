/**
 * Writes down what the turns of one shard came to. Owns the growth of its state: every record is folded, its timers and
 * deadlines are noted, it is appended, and what it asked for is released when it is durable.
 *
 * C1. A turn's effects are released after its record is durable, in the order they were asked for.
 * C2. Turns run ahead of the commit on the speculative state; the log keeps their order, so a record never depends on
 *     one that was lost.
 */
import type { Effect } from "@vnes/schemas";
import type { Confirm, OutboxEntry } from "../../ledger/outbox.ts";
import type { Outcome, PositionRecord, TurnRecord } from "../../ledger/record.ts";
import { applyRecord, releasedSeq, type ShardState } from "../../ledger/shard-state.ts";
import type { Clock } from "../../ports/clock.ts";
import type { ShardLog } from "../ledger/shard-log.ts";
import type { Counters } from "../node/counters.ts";
import type { DueDeliveries } from "./due-deliveries.ts";
import type { Waiting } from "./waiting.ts";

/** Records that may wait for the disk before new turns do. */
const MAX_UNCOMMITTED = 4_096;

export interface ShardJournalParts {
  readonly state: ShardState;
  readonly log: ShardLog;
  readonly clock: Clock;
  readonly counters: Counters;
  readonly due: DueDeliveries;
  release(entry: OutboxEntry, confirm: Confirm): void;
  /** Records became durable: there is room again. */
  committed(): void;
  /** Records will not become durable. */
  lost(error: unknown): void;
}

export class ShardJournal {
  readonly #parts: ShardJournalParts;
  #uncommitted = 0;
  readonly #confirm: Confirm = ({ id }) => this.#parts.state.outbox.confirm(id);

  constructor(parts: ShardJournalParts) {
    this.#parts = parts;
  }

  get hasRoom(): boolean {
    return this.#uncommitted < MAX_UNCOMMITTED;
  }

  /** From here on the shard's turns run this image. */
  async activate(image: string, version: string): Promise<void> {
    const { state, clock, log } = this.#parts;
    state.at = Math.max(state.at, clock.now());
    const record = { v: 1, kind: "activation", seq: state.seq + 1, at: state.at, image, version } as const;
    applyRecord(state, record);
    await log.append([record]);
  }

  /** Events of the partition up to `position` count as consumed. */
  async setPosition(partition: string, position: number, reason: PositionRecord["reason"]): Promise<void> {
    const { state, clock, log } = this.#parts;
    const at = Math.max(state.at, clock.now());
    const seq = state.seq + 1;
    const record: PositionRecord = { v: 1, kind: "position", seq, at, partition, position, reason };
    applyRecord(state, record);
    await log.append([record]);
  }

  /** Folds a turn into the state; `commit` makes it durable. */
  record(waiting: Waiting, outcome: Outcome, effects: readonly Effect[]): TurnRecord {
    const { state, due } = this.#parts;
    const ran = waiting.ran ?? { at: state.at, seed: "" };
    const record: TurnRecord = {
      v: 1,
      kind: "turn",
      seq: state.seq + 1,
      at: Math.max(state.at, ran.at),
      seed: ran.seed,
      input: waiting.input,
      outcome,
      effects,
      released: releasedSeq(state),
    };
    applyRecord(state, record);
    due.schedule(record);
    return record;
  }

  commit(records: readonly TurnRecord[], confirms: readonly (() => void)[]): void {
    const [first] = records;
    if (first === undefined) return;
    this.#uncommitted += records.length;
    this.#parts.log.append(records).then(
      () => {
        this.#uncommitted -= records.length;
        for (const confirm of confirms) confirm();
        this.#release(first.seq, first.seq + records.length - 1);
        this.#parts.committed();
      },
      (error: unknown) => this.#parts.lost(error),
    );
  }

  /** Effects of a turn without a record. They may tell of turns that are not durable yet: they wait for them, and are lost with them. */
  releaseUnrecorded(waiting: Waiting, effects: readonly Effect[]): void {
    if (effects.length === 0) return;
    const { state, log, counters } = this.#parts;
    const at = waiting.ran?.at ?? state.at;
    const release = (): void =>
      effects.forEach((effect, index) => {
        if (effect.do !== "publish" && effect.do !== "answer") return;
        const id = { shard: state.shard, seq: 0, index };
        this.#parts.release({ id, at, depth: waiting.depth, effect }, () => undefined);
      });
    log.durable().then(release, () => counters.add("turn.unrecordedLost"));
  }

  #release(first: number, last: number): void {
    const { outbox } = this.#parts.state;
    for (const entry of outbox.of(first, last)) this.#parts.release(entry, this.#confirm);
  }
}
