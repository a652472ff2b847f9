/**
 * Calls made from outside the capsules (a person, a test): they wait in memory, and nobody resumes them after a crash.
 *
 * A call id is `control/<boot>:<count>:<place>`, formed as an effect id is. The place is where it waits in a table that is
 * filled again and again, so that calls which come and go leave nothing to clear away.
 */
import type { Answer } from "@vnes/schemas";
import { kernelErrors } from "../../errors.ts";
import type { Clock } from "../../ports/clock.ts";
import { type Due, DueQueue } from "../shard/due-queue.ts";

/** People and scripts; a client that wants more waits for answers first. */
export const MAX_CONTROL_CALLS = 4_096;
/** Deadlines of calls that have ended stay queued until they come up or are this many, and four times what waits. */
const MIN_STALE_DEADLINES = 1_024;

/** Stays queued when the call has ended, so it holds nothing else of it. */
interface Deadline extends Due {
  readonly place: number;
}

interface WaitingCall {
  /** Its `id` is the call's. */
  readonly deadline: Deadline;
  readonly capability: string;
  readonly method: string;
  readonly timeoutMs: number;
  resolve(answer: Answer): void;
}

export class ControlCalls {
  readonly #places: (WaitingCall | undefined)[] = [];
  readonly #free: number[] = [];
  readonly #deadlines = new DueQueue<Deadline>();
  readonly #clock: Clock;
  /** Differs with every boot, so that an answer to a call from before a crash finds nobody. */
  readonly #name: string;
  #count = 0;
  #wakeAt = Number.POSITIVE_INFINITY;
  #cancelWake: () => void = () => undefined;

  constructor(clock: Clock, boot: string) {
    this.#clock = clock;
    this.#name = `control/${boot}`;
  }

  get size(): number {
    return this.#places.length - this.#free.length;
  }

  /** A new call id and the promise of its answer, `CALL_TIMEOUT` at the latest after `timeoutMs`. */
  open(call: { readonly capability: string; readonly method: string; readonly timeoutMs: number }): {
    readonly callId: string;
    readonly deadlineAt: number;
    readonly answer: Promise<Answer>;
  } {
    const place = this.#free.pop() ?? this.#places.length;
    const callId = `${this.#name}:${++this.#count}:${place}`;
    const deadlineAt = this.#clock.now() + call.timeoutMs;
    const { capability, method, timeoutMs } = call;
    const deadline = { at: deadlineAt, id: callId, place };
    const answer = new Promise<Answer>((resolve) => {
      this.#places[place] = { deadline, capability, method, timeoutMs, resolve };
    });
    this.#deadlines.push(deadline);
    this.#wake();
    return { callId, deadlineAt, answer };
  }

  isOurs(callId: string): boolean {
    return callId.startsWith("control/");
  }

  /** False when nobody waits for it any more. */
  end(callId: string, answer: Answer): boolean {
    const place = this.#placeOf(callId);
    const waiting = this.#places[place];
    if (waiting === undefined) return false;
    this.#places[place] = undefined;
    this.#free.push(place);
    const stale = this.#deadlines.size - this.size;
    if (stale > MIN_STALE_DEADLINES && stale > 4 * this.size) this.#forgetStale();
    waiting.resolve(answer);
    return true;
  }

  /** Ends every call that still waits. */
  endAll(): void {
    const { code, message } = kernelErrors.create("NODE_STOPPING");
    for (const waiting of [...this.#places]) {
      if (waiting !== undefined) this.end(waiting.deadline.id, { ok: false, code, message });
    }
    this.#forgetStale();
  }

  /** -1 for a call that has ended, or that another boot was asked. */
  #placeOf(callId: string): number {
    const place = Number(callId.slice(callId.lastIndexOf(":") + 1));
    return this.#places[place]?.deadline.id === callId ? place : -1;
  }

  #forgetStale(): void {
    this.#deadlines.prune((deadline) => this.#places[deadline.place]?.deadline === deadline);
    this.#wake();
  }

  /** One wake-up for all of them, at the earliest deadline. */
  #wake(): void {
    const next = this.#deadlines.next() ?? Number.POSITIVE_INFINITY;
    if (next === this.#wakeAt) return;
    this.#cancelWake();
    this.#wakeAt = next;
    this.#cancelWake =
      next === Number.POSITIVE_INFINITY ? () => undefined : this.#clock.wakeAt(next, () => this.#timeOut());
  }

  #timeOut(): void {
    this.#wakeAt = Number.POSITIVE_INFINITY;
    const now = this.#clock.now();
    for (let due = this.#deadlines.pop(now); due !== undefined; due = this.#deadlines.pop(now)) {
      const waiting = this.#places[due.place];
      if (waiting?.deadline !== due) continue;
      const { capability, method, timeoutMs } = waiting;
      const { code, message } = kernelErrors.create("CALL_TIMEOUT", { capability, method, timeoutMs });
      this.end(due.id, { ok: false, code, message });
    }
    this.#wake();
  }
}
