/**
 * Requests that wait for their answer, each with its deadline. One wake-up serves them all: a timer for each would cost
 * more than the request.
 *
 * G1. Every request that was added ends exactly once: answered, refused, too late, or closed.
 * G2. A deadline is noticed at most `SWEEP_MS` late.
 */
import type { Clock } from "../ports/clock.ts";

/** A node that waits for more answers than this does not wait, it leaks. */
export const MAX_PENDING_REQUESTS = 16_384;
/** Deadlines of requests between nodes are seconds. */
const SWEEP_MS = 20;

export interface PendingRequest {
  readonly to: string;
  readonly service: string;
  readonly timeoutMs: number;
  resolve(payload: Uint8Array): void;
  reject(error: unknown): void;
}

export class PendingRequests {
  readonly #clock: Pick<Clock, "now" | "wakeAt">;
  readonly #timedOut: (request: PendingRequest) => unknown;
  readonly #waiting = new Map<number, { readonly request: PendingRequest; readonly deadlineAt: number }>();
  #cancel: (() => void) | undefined;
  #wakeAt = Number.POSITIVE_INFINITY;

  /** `timedOut` makes the error of a request nobody answered. */
  constructor(clock: Pick<Clock, "now" | "wakeAt">, timedOut: (request: PendingRequest) => unknown) {
    this.#clock = clock;
    this.#timedOut = timedOut;
  }

  get size(): number {
    return this.#waiting.size;
  }

  add(number: number, request: PendingRequest): void {
    const deadlineAt = this.#clock.now() + request.timeoutMs;
    this.#waiting.set(number, { request, deadlineAt });
    if (deadlineAt < this.#wakeAt) this.#arm(deadlineAt);
  }

  /** Undefined when it has ended already. */
  take(number: number): PendingRequest | undefined {
    const found = this.#waiting.get(number);
    this.#waiting.delete(number);
    return found?.request;
  }

  rejectAll(error: (request: PendingRequest) => unknown): void {
    this.#cancel?.();
    this.#wakeAt = Number.POSITIVE_INFINITY;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { request } of waiting) request.reject(error(request));
  }

  #arm(at: number): void {
    this.#cancel?.();
    this.#wakeAt = at;
    this.#cancel = this.#clock.wakeAt(at, () => this.#sweep());
  }

  #sweep(): void {
    const now = this.#clock.now();
    this.#wakeAt = Number.POSITIVE_INFINITY;
    let next = Number.POSITIVE_INFINITY;
    for (const [number, { request, deadlineAt }] of this.#waiting) {
      if (deadlineAt > now) next = Math.min(next, deadlineAt);
      else {
        this.#waiting.delete(number);
        request.reject(this.#timedOut(request));
      }
    }
    if (next < this.#wakeAt) this.#arm(Math.max(next, now + SWEEP_MS));
  }
}
