/**
 * What becomes of the turns of a batch that has been answered: records, effects, dead letters, or another try.
 *
 * C3. Each delivery ends in exactly one record, or, if it was ephemeral and asked for nothing durable, in none.
 */
import type { Delivery, Effect, Json, TurnResult, VnesError } from "@vnes/schemas";
import type { TurnRules } from "../../bus/turn-check.ts";
import { startDelayMs } from "../../bus/retry.ts";
import { type Failure, isStale, judgeTurn } from "../../bus/turn-verdict.ts";
import { failedTurn, KeyRounds } from "../../ledger/key-rounds.ts";
import type { Outcome, TurnRecord } from "../../ledger/record.ts";
import { serveForeseen } from "../../ledger/served-keys.ts";
import type { ShardState } from "../../ledger/shard-state.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Counters } from "../node/counters.ts";
import { FailedEvents } from "../topics/failed-events.ts";
import type { CapsuleBudget } from "./capsule-budget.ts";
import type { CapsuleLines } from "./capsule-lines.ts";
import type { DueDeliveries } from "./due-deliveries.ts";
import type { ShardJournal } from "./shard-journal.ts";
import type { Waiting } from "./waiting.ts";

export interface TurnSettlementParts {
  readonly rules: TurnRules;
  readonly state: ShardState;
  readonly clock: Clock;
  readonly counters: Counters;
  readonly budget: CapsuleBudget;
  readonly journal: ShardJournal;
  readonly due: DueDeliveries;
  readonly lines: CapsuleLines;
  /** The start turn failed, and is to be delivered again after `delayMs`. */
  startAgain(start: Waiting, delayMs: number): void;
  /** The start turn ended, well or not. */
  started(): void;
  startFailed(code: string, message: string): void;
  /** A delivery was given up; the record is durable or, for an ephemeral one, not made. */
  deadLetter(failed: {
    readonly delivery: Delivery;
    readonly code: string;
    readonly message: string;
    readonly place?: string;
  }): void;
}

export class TurnSettlement {
  readonly #parts: TurnSettlementParts;
  readonly #failedEvents: FailedEvents;
  #spent = { turns: 0, messages: 0 };
  turns = 0;
  failedTurns = 0;
  deadLetters = 0;

  constructor(parts: TurnSettlementParts) {
    this.#parts = parts;
    this.#failedEvents = new FailedEvents(parts.rules, parts.counters);
  }

  /** Turns results into records, in order. `again`: what has to be delivered again, in order. */
  settle(
    batch: readonly Waiting[],
    results: readonly TurnResult[],
  ): { readonly again: readonly Waiting[]; readonly poisoned: boolean } {
    const records: TurnRecord[] = [];
    const confirms: (() => void)[] = [];
    const unrecorded: { readonly waiting: Waiting; readonly effects: readonly Effect[] }[] = [];
    let again: readonly Waiting[] = [];
    let poisoned = false;
    for (let index = 0; index < batch.length; index++) {
      const waiting = batch[index] as Waiting;
      const result = results[index] as TurnResult;
      const refused =
        result.kind === "needKeys" ? this.#serve(waiting, result, results.slice(index + 1)) : undefined;
      if (result.kind === "needKeys" && refused === undefined) {
        again = batch.slice(index);
        break;
      }
      const verdict = this.#settleOne(
        waiting,
        result.kind === "needKeys" ? failedTurn(result.turn, refused as VnesError) : result,
      );
      if (verdict.record !== undefined) {
        records.push(verdict.record);
        if (waiting.confirm !== undefined) confirms.push(waiting.confirm);
      } else {
        waiting.confirm?.();
        unrecorded.push({ waiting, effects: verdict.unrecorded ?? [] });
      }
      if (verdict.poisoned) {
        again = batch.slice(index + 1);
        poisoned = true;
        break;
      }
    }
    // At once for all of them: nobody asks for room while a batch is settled.
    this.#parts.budget.spend(this.#spent);
    this.#spent = { turns: 0, messages: 0 };
    this.#parts.journal.commit(records, confirms);
    // After the records they ran behind were issued, so that they wait for those too.
    for (const one of unrecorded) this.#parts.journal.releaseUnrecorded(one.waiting, one.effects);
    return { again, poisoned };
  }

  /** Why the turn is not delivered again, if it is not. */
  #serve(
    waiting: Waiting,
    asked: Extract<TurnResult, { kind: "needKeys" }>,
    behind: readonly TurnResult[],
  ): VnesError | undefined {
    waiting.given ??= new KeyRounds();
    waiting.givenAt = this.#parts.state.seq;
    const refused = waiting.given.serve(this.#parts.state, asked);
    if (refused === undefined) waiting.given.give(serveForeseen(this.#parts.state, behind, waiting.given));
    return refused;
  }

  /** Carries out the verdict on one finished turn. */
  #settleOne(
    waiting: Waiting,
    result: Exclude<TurnResult, { kind: "needKeys" }>,
  ): { readonly record?: TurnRecord; readonly unrecorded?: readonly Effect[]; readonly poisoned: boolean } {
    this.#delivered(waiting.delivery);
    const verdict = judgeTurn(waiting, result, this.#parts.rules, this.#parts.state);
    const { poisoned } = verdict;
    const now = waiting.ran?.at ?? this.#parts.state.at;
    // What ran behind it in its batch ran too early.
    if (verdict.kind === "failed" && this.#isTriedAgain(waiting, verdict.failure, now)) {
      return { poisoned: true };
    }
    if (verdict.kind === "stale") {
      this.#stale(waiting.delivery);
      return { poisoned };
    }
    this.turns++;
    this.#spent.turns += 1;
    if (result.kind === "done") this.#spent.messages += result.effects.length;
    if (result.kind === "done" && result.logs !== undefined) this.#parts.lines.print(result.logs);
    if (verdict.kind === "done" && waiting.delivery.kind === "start") this.#parts.started();
    const effects =
      verdict.kind === "done" ? verdict.effects : this.#giveUpDelivery(waiting, verdict.failure);
    if (!verdict.recorded) {
      this.#parts.counters.add("turn.unrecorded");
      return { unrecorded: effects, poisoned };
    }
    const outcome = verdict.kind === "done" ? "ok" : failedWith(verdict.failure);
    return { record: this.#parts.journal.record(waiting, outcome, effects), poisoned };
  }

  /** True when it was given back and will be delivered again: nothing of this try is recorded. */
  #isTriedAgain(waiting: Waiting, failure: Failure, now: number): boolean {
    if (waiting.delivery.kind !== "start") return this.#failedEvents.isTriedAgain(waiting, failure, now);
    waiting.failed = (waiting.failed ?? 0) + 1;
    const delayMs = startDelayMs(failure.code, waiting.failed);
    if (delayMs === undefined) return false;
    delete waiting.given;
    this.#parts.counters.add("turn.retried");
    this.#parts.startAgain(waiting, delayMs);
    return true;
  }

  /** Counts and reports; returns what the kernel says in the capsule's place. */
  #giveUpDelivery(waiting: Waiting, failure: Failure): Effect[] {
    const { delivery } = waiting;
    const { code, message, details, place } = failure;
    this.failedTurns++;
    if (waiting.feed !== undefined) this.deadLetters++;
    this.#parts.counters.add(`turn.failed.${code}`);
    this.#parts.deadLetter({ delivery, code, message, ...(place === undefined ? {} : { place }) });
    if (delivery.kind === "start") this.#parts.startFailed(code, message);
    const letter = this.#failedEvents.letter(waiting, failure, waiting.ran?.at ?? this.#parts.state.at);
    if (letter !== undefined) return [letter];
    if (delivery.kind !== "call") return [];
    const known = details === undefined ? {} : { details: JSON.parse(JSON.stringify(details)) as Json };
    return [{ do: "answer", callId: delivery.callId, answer: { ok: false, code, message, ...known } }];
  }

  #delivered(delivery: Delivery): void {
    if (delivery.kind === "timer" || delivery.kind === "expiry") this.#parts.due.delivered(delivery);
  }

  #stale(delivery: Delivery): void {
    this.#parts.counters.add(`turn.stale.${delivery.kind}`);
  }

  /** The delivery killed its host: tried again, recorded as failed, or nothing, if it had become stale. */
  killed(waiting: Waiting, failure: VnesError): void {
    const { journal, clock, state } = this.#parts;
    this.#delivered(waiting.delivery);
    if (isStale(waiting.delivery, state)) {
      this.#stale(waiting.delivery);
      waiting.confirm?.();
      return;
    }
    if (this.#isTriedAgain(waiting, failure, clock.now())) return;
    const effects = this.#giveUpDelivery(waiting, failure);
    const confirms = waiting.confirm === undefined ? [] : [waiting.confirm];
    journal.commit([journal.record(waiting, failedWith(failure), effects)], confirms);
  }
}

function failedWith({ code, message }: Failure): Outcome {
  return { failed: code, message };
}
