/** Calls made from outside the capsules (a person, a test): they wait in memory, and nobody resumes them after a crash. */
import type { Answer } from "@vnes/schemas";
import { kernelErrors } from "../errors.ts";
import type { Clock } from "../ports/clock.ts";

/** People and scripts; a client that wants more waits for answers first. */
export const MAX_CONTROL_CALLS = 4_096;

interface WaitingCall {
  resolve(answer: Answer): void;
  cancel(): void;
}

export class ControlCalls {
  readonly #waiting = new Map<string, WaitingCall>();
  readonly #clock: Clock;
  /** Differs with every boot, so that an answer to a call from before a crash finds nobody. */
  readonly #name: string;
  #count = 0;

  constructor(clock: Clock, boot: string) {
    this.#clock = clock;
    this.#name = `control/${boot}`;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** A new call id and the promise of its answer, `CALL_TIMEOUT` at the latest after `timeoutMs`. */
  open(call: { readonly capability: string; readonly method: string; readonly timeoutMs: number }): {
    readonly callId: string;
    readonly deadlineAt: number;
    readonly answer: Promise<Answer>;
  } {
    const callId = `${this.#name}:${++this.#count}:0`;
    const deadlineAt = this.#clock.now() + call.timeoutMs;
    const answer = new Promise<Answer>((resolve) => {
      const cancel = this.#clock.wakeAt(deadlineAt, () => {
        const { code, message } = kernelErrors.create("CALL_TIMEOUT", call);
        this.end(callId, { ok: false, code, message });
      });
      this.#waiting.set(callId, { resolve, cancel });
    });
    return { callId, deadlineAt, answer };
  }

  isOurs(callId: string): boolean {
    return callId.startsWith("control/");
  }

  /** False when nobody waits for it any more. */
  end(callId: string, answer: Answer): boolean {
    const waiting = this.#waiting.get(callId);
    if (waiting === undefined) return false;
    this.#waiting.delete(callId);
    waiting.cancel();
    waiting.resolve(answer);
    return true;
  }

  /** Ends every call that still waits. */
  endAll(): void {
    const { code, message } = kernelErrors.create("NODE_STOPPING");
    for (const callId of [...this.#waiting.keys()]) this.end(callId, { ok: false, code, message });
  }
}
