/**
 * Timers and deadlines of one shard, turned into deliveries when they are due, in (due, id) order. The shard's state
 * says what is set; this only knows when to look.
 */
import type { Delivery } from "@vnes/schemas";
import { kernelErrors } from "../errors.ts";
import { formatEffectId } from "../ledger/effect-id.ts";
import type { TurnRecord } from "../ledger/record.ts";
import type { PendingCall, ShardState } from "../ledger/shard-state.ts";
import type { Clock } from "../ports/clock.ts";
import { DueQueue } from "./due-queue.ts";

/** Timers and deadlines found due at once; the rest follow in the next round. */
const DUE_ROUND = 1_024;

export interface DueDeliveriesParts {
  readonly state: ShardState;
  readonly clock: Clock;
  timer(delivery: Extract<Delivery, { kind: "timer" }>): void;
  /** Nobody answered in time: the answer the kernel gives. */
  deadline(delivery: Extract<Delivery, { kind: "answer" }>, depth: number): void;
}

export class DueDeliveries {
  readonly #parts: DueDeliveriesParts;
  readonly #due = new DueQueue();
  /** Timers that are on their way and must not be delivered twice. */
  readonly #queued = new Set<string>();
  #isArmed = false;
  #cancelWake: (() => void) | undefined;
  #wakeAt = Number.POSITIVE_INFINITY;

  constructor(parts: DueDeliveriesParts) {
    this.#parts = parts;
    const { timers, pending } = parts.state;
    for (const [id, timer] of timers) this.#due.push({ at: timer.at, id: timerDue(id) });
    for (const call of pending.values()) this.#due.push({ at: call.deadlineAt, id: callDue(call.callId) });
  }

  /** From now on what is due is delivered. */
  arm(): void {
    this.#isArmed = true;
    this.#wake();
  }

  disarm(): void {
    this.#isArmed = false;
    this.#sleep();
  }

  /** The timer's delivery has run or was found stale; the same id may fire again. */
  delivered(id: string): void {
    this.#queued.delete(id);
  }

  /** Looks up what a record set. The record is folded into the state already. */
  schedule(record: TurnRecord): void {
    const { state } = this.#parts;
    record.effects.forEach((effect, index) => {
      if (effect.do === "setTimer") this.#due.push({ at: effect.at, id: timerDue(effect.id) });
      if (effect.do === "call") {
        const callId = formatEffectId({ shard: state.shard, seq: record.seq, index });
        this.#due.push({ at: record.at + effect.timeoutMs, id: callDue(callId) });
      }
    });
    const live = state.timers.size + state.pending.size;
    if (this.#due.size > 1_024 && this.#due.size > 4 * live)
      this.#due.prune((due) => this.#isLive(due.id, due.at));
    this.#wake();
  }

  #wake(): void {
    const next = this.#due.next();
    if (!this.#isArmed || next === undefined || next >= this.#wakeAt) return;
    this.#sleep();
    this.#wakeAt = next;
    this.#cancelWake = this.#parts.clock.wakeAt(next, () => {
      this.#wakeAt = Number.POSITIVE_INFINITY;
      this.#fire();
    });
  }

  #sleep(): void {
    this.#cancelWake?.();
    this.#cancelWake = undefined;
    this.#wakeAt = Number.POSITIVE_INFINITY;
  }

  #fire(): void {
    const now = this.#parts.clock.now();
    for (let round = 0; round < DUE_ROUND; round++) {
      const due = this.#due.pop(now);
      if (due === undefined) break;
      if (!this.#isLive(due.id, due.at)) continue;
      const name = due.id.slice(2);
      if (due.id.startsWith(TIMER)) this.#fireTimer(name);
      else this.#fireDeadline(name);
    }
    this.#wake();
  }

  #isLive(id: string, at: number): boolean {
    const { timers, pending } = this.#parts.state;
    const name = id.slice(2);
    if (id.startsWith(TIMER)) return timers.get(name)?.at === at;
    return pending.get(name)?.deadlineAt === at;
  }

  #fireTimer(id: string): void {
    const timer = this.#parts.state.timers.get(id);
    if (timer === undefined || this.#queued.has(id)) return;
    this.#queued.add(id);
    this.#parts.timer({ kind: "timer", id, dueAt: timer.at, payload: timer.payload });
  }

  #fireDeadline(callId: string): void {
    const { state } = this.#parts;
    const call = state.pending.get(callId);
    if (call !== undefined) this.#parts.deadline(timedOut(call, state.at), call.depth);
  }
}

function timedOut(call: PendingCall, now: number): Extract<Delivery, { kind: "answer" }> {
  const { callId, capability, method, tag, context, deadlineAt } = call;
  const details = { capability, method, timeoutMs: Math.max(0, deadlineAt - now) };
  const { code, message } = kernelErrors.create("CALL_TIMEOUT", details);
  return { kind: "answer", callId, tag, context, answer: { ok: false, code, message } };
}

const TIMER = "t:";

function timerDue(id: string): string {
  return `${TIMER}${id}`;
}

function callDue(callId: string): string {
  return `c:${callId}`;
}
