/**
 * When to say something and when to worry, for one channel: keepalives and the silence detector as arithmetic on times
 * given to it. It owns no clock and no timer.
 *
 * L1. The detector is armed by the first authenticated frame, never by the handshake alone.
 * L2. A channel is reported silent once, then alive or dead once.
 * L3. If this process itself slept through its wake-up, what arrived meanwhile is read before the silence is judged.
 */

export interface Rhythm {
  /** Say something at least this often. */
  readonly keepaliveMs: number;
  /** Nothing authenticated for so long: the path is silent. */
  readonly silentMs: number;
  /** Nothing authenticated for so long: the channel is dead. */
  readonly deadMs: number;
}

export type LivenessEvent =
  | { readonly kind: "keepalive" }
  | { readonly kind: "silent"; readonly silentMs: number }
  | { readonly kind: "dead"; readonly silentMs: number };

export interface Liveness {
  sent(now: number): void;
  /** True when the path had been reported silent and now is alive. */
  received(now: number): boolean;
  /** What is due at `now`. */
  tick(now: number): readonly LivenessEvent[];
  /** The time of the next `tick`. */
  wakeAt(): number;
  silent(): boolean;
}

/** A wake-up so late was our own fault; sockets are read before we judge. */
const OVERSLEPT_MS = 40;
const GRACE_MS = 20;

export function createLiveness(rhythm: Rhythm, openedAt: number): Liveness {
  let sentAt = openedAt;
  let receivedAt: number | null = null;
  let silent = false;
  let graceUntil = 0;
  let graceUsed = false;

  const judgeAt = (): number => {
    if (receivedAt === null) return Number.POSITIVE_INFINITY;
    return Math.max(receivedAt + (silent ? rhythm.deadMs : rhythm.silentMs), graceUntil);
  };
  const judge = (now: number, events: LivenessEvent[]) => {
    if (receivedAt === null || now < judgeAt()) return;
    if (now - judgeAt() > OVERSLEPT_MS && !graceUsed) {
      graceUsed = true;
      graceUntil = now + GRACE_MS;
      return;
    }
    const silentMs = Math.round(now - receivedAt);
    if (!silent) {
      silent = true;
      events.push({ kind: "silent", silentMs });
    }
    if (now >= receivedAt + rhythm.deadMs) events.push({ kind: "dead", silentMs });
  };

  return {
    sent(now) {
      sentAt = now;
    },
    received(now) {
      const back = silent;
      receivedAt = now;
      silent = false;
      graceUntil = 0;
      graceUsed = false;
      return back;
    },
    tick(now) {
      const events: LivenessEvent[] = [];
      if (now >= sentAt + rhythm.keepaliveMs) events.push({ kind: "keepalive" });
      judge(now, events);
      return events;
    },
    wakeAt: () => Math.min(sentAt + rhythm.keepaliveMs, judgeAt()),
    silent: () => silent,
  };
}
