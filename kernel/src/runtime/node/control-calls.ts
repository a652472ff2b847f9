/**
 * Calls made from outside the capsules (a person, a test): they wait in memory, and nobody resumes them after a crash. How
 * many may wait is bounded where they come in, at the control socket and at the messenger.
 *
 * A call id is `control/<boot>:<count>:<place>`, formed as an effect id is. The place is where it waits in a table that is
 * filled again and again, so that calls which come and go leave nothing to clear away.
 */
import type { Answer } from "@vnes/schemas";
import { kernelErrors } from "../../errors.ts";
import type { Clock } from "../../ports/clock.ts";

const ZERO = "0".charCodeAt(0);

/** What `open` gives, and what is needed to end it. */
interface WaitingCall {
  readonly callId: string;
  readonly deadlineAt: number;
  readonly capability: string;
  readonly method: string;
  readonly timeoutMs: number;
  readonly answer: Promise<Answer>;
  readonly resolve: (answer: Answer) => void;
}

export class ControlCalls {
  readonly #places: (WaitingCall | undefined)[] = [];
  readonly #free: number[] = [];
  readonly #clock: Clock;
  /** Differs with every boot, so that an answer to a call from before a crash finds nobody. */
  readonly #name: string;
  #count = 0;
  /** No later than the first deadline of those that wait. */
  #wakeAt = Number.POSITIVE_INFINITY;
  #cancelWake: () => void = () => undefined;

  constructor(clock: Clock, boot: string) {
    this.#clock = clock;
    this.#name = `control/${boot}:`;
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
    const callId = `${this.#name}${++this.#count}:${place}`;
    const { capability, method, timeoutMs } = call;
    const deadlineAt = this.#clock.now() + timeoutMs;
    // No function of our own for the promise: what one shares with `open` would be made for every call.
    const { promise: answer, resolve } = Promise.withResolvers<Answer>();
    const waiting = { callId, deadlineAt, capability, method, timeoutMs, answer, resolve };
    this.#places[place] = waiting;
    if (deadlineAt < this.#wakeAt) this.#wake(deadlineAt);
    return waiting;
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
    waiting.resolve(answer);
    return true;
  }

  /** Ends every call that still waits. */
  endAll(): void {
    const { code, message } = kernelErrors.create("NODE_STOPPING");
    for (const waiting of [...this.#places]) {
      if (waiting !== undefined) this.end(waiting.callId, { ok: false, code, message });
    }
    this.#wake(Number.POSITIVE_INFINITY);
  }

  /** -1 for a call that has ended, or that another boot was asked. */
  #placeOf(callId: string): number {
    let place = 0;
    for (let index = callId.lastIndexOf(":") + 1; index < callId.length; index++)
      place = 10 * place + callId.charCodeAt(index) - ZERO;
    return this.#places[place]?.callId === callId ? place : -1;
  }

  /** One wake-up for all of them. */
  #wake(at: number): void {
    this.#cancelWake();
    this.#wakeAt = at;
    this.#cancelWake =
      at === Number.POSITIVE_INFINITY ? () => undefined : this.#clock.wakeAt(at, () => this.#timeOut());
  }

  /** Looks at all that wait: nearly every call is answered long before, so a place in an order of deadlines would be for nothing. */
  #timeOut(): void {
    this.#wakeAt = Number.POSITIVE_INFINITY;
    const now = this.#clock.now();
    const due = this.#places.filter((waiting) => waiting !== undefined && waiting.deadlineAt <= now);
    for (const waiting of (due as WaitingCall[]).sort((a, b) => a.deadlineAt - b.deadlineAt)) {
      const { capability, method, timeoutMs } = waiting;
      const { code, message } = kernelErrors.create("CALL_TIMEOUT", { capability, method, timeoutMs });
      this.end(waiting.callId, { ok: false, code, message });
    }
    let next = Number.POSITIVE_INFINITY;
    for (const waiting of this.#places) next = Math.min(next, waiting?.deadlineAt ?? next);
    if (next < this.#wakeAt) this.#wake(next);
  }
}
