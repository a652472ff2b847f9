/**
 * The messages of an owner that are on their way into its group's stream. Owns their order, their expected sequences and
 * when they are sent again; knows nothing of what is in them, and nothing of time but what `tick` tells.
 *
 * P1. A message leaves only when the fold has read it back. An acknowledgement ends nothing; a refusal only asks for the
 *     messages to be sent again.
 * P2. Up to 64 are sent before the first is confirmed, each expecting the sequence its predecessor will get.
 * P3. Sent again, a message has the same id and the same expected sequence, so that it is stored once.
 * P4. When the place of the oldest one was taken by something else, all get new places and new ids: under the old id the
 *     server may know a message that was stored and does not count. Their numbers stay, and the fold takes each once.
 * P5. A control message is alone on its way, so that its place is never predicted by another.
 * P6. Once halted it sends nothing more; what was sent before may still be confirmed.
 */
import type { MessageKind } from "./control-message.ts";

/** Enough to keep a server busy over a local network; 16 MiB of messages at most. */
export const MAX_IN_FLIGHT = 64;
/** A first refusal is mostly a message that overtook; what goes on longer is an election or a restart. */
const FIRST_RESEND_MS = 10;
/** A leader that was just elected is used within this time. */
const MAX_RESEND_MS = 1_000;

export interface Sent {
  readonly kind: MessageKind;
  readonly data: Uint8Array;
  readonly expected: number;
  readonly id: string;
  /** Comes back with the acknowledgement. */
  readonly round: number;
}

interface Outgoing {
  readonly kind: MessageKind;
  readonly data: Uint8Array;
  /** Number of a batch message; 0 for control messages. */
  readonly number: number;
  readonly name: string;
  readonly confirmed: () => void;
  expected: number;
  sentAt: number;
}

export interface PipelineParts {
  readonly boot: string;
  /** Stream sequence of the last message folded. */
  lastSeq(): number;
  now(): number;
  send(message: Sent): void;
  /** Hears when a message that was confirmed had first been sent. */
  confirmed(sentAt: number): void;
}

export class Pipeline {
  readonly #parts: PipelineParts;
  readonly #flight: Outgoing[] = [];
  readonly #unsent: Outgoing[] = [];
  /** Counts renumberings: part of the ids. */
  #generation = 0;
  /** Counts sendings of the whole flight: refusals of an earlier one are old news. */
  #round = 0;
  #controls = 0;
  #resendAt: number | undefined;
  #resendMs = FIRST_RESEND_MS;
  #sentAt = 0;
  #isHalted = false;
  resent = 0;

  constructor(parts: PipelineParts) {
    this.#parts = parts;
  }

  /** True when nothing is on its way or waits to be. */
  get isEmpty(): boolean {
    return this.#flight.length === 0 && this.#unsent.length === 0;
  }

  /** True when another batch would be sent at once. */
  get hasRoom(): boolean {
    return (
      !this.#isHalted &&
      this.#unsent.length === 0 &&
      this.#flight.length < MAX_IN_FLIGHT &&
      (this.#flight[0]?.number ?? 1) !== 0
    );
  }

  /** The parts of one batch; `confirmed` is called once for the last of them. */
  push(
    frames: readonly { readonly number: number; readonly data: Uint8Array }[],
    confirmed: () => void,
  ): void {
    frames.forEach(({ number, data }, index) => {
      const done = index === frames.length - 1 ? confirmed : () => undefined;
      const name = `${number}`;
      this.#unsent.push({ kind: "batch", data, number, name, confirmed: done, expected: 0, sentAt: 0 });
    });
    this.#pump();
  }

  pushControl(kind: MessageKind, data: Uint8Array, confirmed: () => void): void {
    const name = `c${++this.#controls}`;
    this.#unsent.push({ kind, data, number: 0, name, confirmed, expected: 0, sentAt: 0 });
    this.#pump();
  }

  /** Told after every message that was folded: `own` when it was ours and counted. */
  folded(own: { readonly kind: MessageKind; readonly number: number } | undefined): void {
    const [first] = this.#flight;
    if (first === undefined) return;
    if (own !== undefined && own.kind === first.kind && own.number === first.number) {
      this.#flight.shift();
      this.#resendMs = FIRST_RESEND_MS;
      this.#sentAt = this.#parts.now();
      if (this.#flight.length === 0) this.#resendAt = undefined;
      this.#parts.confirmed(first.sentAt);
      first.confirmed();
      this.#pump();
    }
    if (this.#isDisplaced()) this.#resendSoon();
  }

  /** The server refused a message, or nobody was there to take it. */
  refused(round: number): void {
    if (round === this.#round && this.#flight.length > 0) this.#resendSoon();
  }

  /** There is a new connection: what was sent over the old one is in doubt. */
  reconnected(): void {
    if (this.#flight.length > 0) this.#resendAt = this.#parts.now();
  }

  /** For good (P6). */
  halt(): void {
    this.#isHalted = true;
  }

  tick(): void {
    if (this.#flight.length === 0 || this.#isHalted) return;
    const now = this.#parts.now();
    const silentMs = Math.max(this.#resendMs, MAX_RESEND_MS);
    if (now >= (this.#resendAt ?? this.#sentAt + silentMs)) this.#resend();
  }

  #resendSoon(): void {
    if (this.#resendAt !== undefined) return;
    this.#resendAt = this.#parts.now() + this.#resendMs;
    this.#resendMs = Math.min(this.#resendMs * 2, MAX_RESEND_MS);
  }

  #isDisplaced(): boolean {
    const [first] = this.#flight;
    return first !== undefined && first.expected < this.#parts.lastSeq();
  }

  #resend(): void {
    this.#resendAt = undefined;
    this.#round++;
    if (this.#isDisplaced()) {
      this.#generation++;
      let expected = this.#parts.lastSeq();
      for (const one of this.#flight) one.expected = expected++;
    }
    this.resent += this.#flight.length;
    for (const one of this.#flight) this.#send(one);
  }

  #pump(): void {
    while (!this.#isHalted) {
      const [next] = this.#unsent;
      if (next === undefined || this.#flight.length >= MAX_IN_FLIGHT) return;
      const isAlone = next.number === 0 || this.#flight[0]?.number === 0;
      if (isAlone && this.#flight.length > 0) return;
      this.#unsent.shift();
      const before = this.#flight.at(-1);
      next.expected = before === undefined ? this.#parts.lastSeq() : before.expected + 1;
      next.sentAt = this.#parts.now();
      this.#flight.push(next);
      this.#send(next);
    }
  }

  #send({ kind, data, name, expected }: Outgoing): void {
    this.#sentAt = this.#parts.now();
    const id = `${this.#parts.boot}.${this.#generation}.${name}`;
    this.#parts.send({ kind, data, expected, id, round: this.#round });
  }
}
