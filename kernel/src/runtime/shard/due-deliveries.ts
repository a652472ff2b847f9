/**
 * Timers, deadlines and expiries of one shard, turned into deliveries when they are due, in (due, id) order. The shard's state
 * says what is set; this only knows when to look.
 */
import type { Delivery, Effect } from "@vnes/schemas";
import { kernelErrors } from "../../errors.ts";
import { formatEffectId } from "../../ledger/effect-id.ts";
import type { TurnRecord } from "../../ledger/record.ts";
import type { PendingCall, ShardState } from "../../ledger/shard-state.ts";
import type { Clock } from "../../ports/clock.ts";
import { DueQueue } from "./due-queue.ts";

/** Timers and deadlines found due at once; the rest follow in the next round. */
const DUE_ROUND = 1_024;

export type DueDelivery = Extract<Delivery, { kind: "timer" | "expiry" }>;

export interface DueDeliveriesParts {
  readonly state: ShardState;
  readonly clock: Clock;
  /** A timer, or a key whose time has come. */
  due(delivery: DueDelivery): void;
  /** Nobody answered in time: the answer the kernel gives. */
  deadline(delivery: Extract<Delivery, { kind: "answer" }>, depth: number): void;
}

export class DueDeliveries {
  readonly #parts: DueDeliveriesParts;
  readonly #due = new DueQueue();
  /** What is on its way and must not be delivered twice, by `waitingName`. */
  readonly #queued = new Set<string>();
  #isArmed = false;
  #cancelWake: (() => void) | undefined;
  #wakeAt = Number.POSITIVE_INFINITY;

  constructor(parts: DueDeliveriesParts) {
    this.#parts = parts;
    const { timers, pending, expiries, versions } = parts.state;
    for (const [id, timer] of timers) this.#due.push({ at: timer.at, id: timerDue(id) });
    for (const call of pending.values()) this.#due.push({ at: call.deadlineAt, id: callDue(call.callId) });
    for (const [key, at] of expiries) this.#due.push({ at, id: keyDue(key, versions.get(key) ?? 0) });
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

  /** The delivery has run or was found stale; the same timer may fire again. */
  delivered(delivery: DueDelivery): void {
    this.#queued.delete(waitingName(delivery));
  }

  /** Looks up what a record set. The record is folded into the state already. */
  schedule(record: TurnRecord): void {
    const { state } = this.#parts;
    for (let index = 0; index < record.effects.length; index++) {
      const effect = record.effects[index] as Effect;
      if (effect.do === "setTimer") this.#due.push({ at: effect.at, id: timerDue(effect.id) });
      if (effect.do === "call" || effect.do === "read") {
        const callId = formatEffectId({ shard: state.shard, seq: record.seq, index });
        this.#due.push({ at: record.at + effect.timeoutMs, id: callDue(callId) });
      }
      if (effect.do === "write" && effect.ttlMs !== undefined) {
        this.#due.push({ at: record.at + effect.ttlMs, id: keyDue(effect.key, record.seq) });
      }
    }
    const live = state.timers.size + state.pending.size + state.expiries.size;
    if (this.#due.size > 1_024 && this.#due.size > 4 * live)
      this.#due.prune((due) => this.#delivery(due.id, due.at) !== undefined);
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
      const found = this.#delivery(due.id, due.at);
      if (found === undefined) continue;
      if ("callId" in found) this.#parts.deadline(timedOut(found, this.#parts.state.at), found.depth);
      else this.#deliver(found);
    }
    this.#wake();
  }

  #deliver(delivery: DueDelivery): void {
    const name = waitingName(delivery);
    if (this.#queued.has(name)) return;
    this.#queued.add(name);
    this.#parts.due(delivery);
  }

  /** What is due under this name, as long as the state still says so. */
  #delivery(id: string, at: number): DueDelivery | PendingCall | undefined {
    const { timers, pending, expiries, versions } = this.#parts.state;
    const name = id.slice(2);
    if (id.startsWith(TIMER)) {
      const timer = timers.get(name);
      return timer?.at === at ? { kind: "timer", id: name, dueAt: at, payload: timer.payload } : undefined;
    }
    if (id.startsWith(CALL)) {
      const call = pending.get(name);
      return call?.deadlineAt === at ? call : undefined;
    }
    const colon = name.indexOf(":");
    const [version, key] = [Number(name.slice(0, colon)), name.slice(colon + 1)];
    if (versions.get(key) !== version || expiries.get(key) !== at) return undefined;
    return { kind: "expiry", key, version, dueAt: at };
  }
}

/** A timer set again while its old delivery waits is another one. */
function waitingName(delivery: DueDelivery): string {
  if (delivery.kind === "expiry") return keyDue(delivery.key, delivery.version);
  return `${timerDue(delivery.id)}@${delivery.dueAt}`;
}

function timedOut(call: PendingCall, now: number): Extract<Delivery, { kind: "answer" }> {
  const { callId, capability, method, tag, context, deadlineAt } = call;
  const details = { capability, method, timeoutMs: Math.max(0, deadlineAt - now) };
  const { code, message } = kernelErrors.create("CALL_TIMEOUT", details);
  return { kind: "answer", callId, tag, context, answer: { ok: false, code, message } };
}

const TIMER = "t:";
const CALL = "c:";

function timerDue(id: string): string {
  return `${TIMER}${id}`;
}

function callDue(callId: string): string {
  return `${CALL}${callId}`;
}

/** By version too: a key written again expires anew. */
function keyDue(key: string, version: number): string {
  return `k:${version}:${key}`;
}
