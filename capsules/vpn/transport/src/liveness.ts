/**
 * When to say something and when to worry, for one channel: keepalives and the silence detector as arithmetic on times
 * given to it. It owns no clock and no timer.
 *
 * LV1. The detector is armed by the first authenticated frame, never by the handshake alone.
 * LV2. A channel is reported silent once, then alive or dead once.
 * LV3. If this process itself slept through its wake-up, what arrived meanwhile is read before the silence is judged.
 * LV4. A path that delivers one way only is silent at both ends: an end that hears nothing says so in its keepalives, and
 *     only one that is heard and hears is alive.
 */

export interface Rhythm {
  /** Say something at least this often. */
  readonly keepaliveMs: number;
  /** Nothing authenticated for so long: the path is silent. */
  readonly silentMs: number;
  /** Nothing authenticated for so long: the channel is dead. */
  readonly deadMs: number;
}

/** `in`: nothing is heard. `out`: the other end says it hears nothing. */
export type Direction = "in" | "out";

export type LivenessEvent =
  | { readonly kind: "keepalive" }
  | { readonly kind: "silent"; readonly silentMs: number; readonly direction: Direction }
  | { readonly kind: "dead"; readonly silentMs: number; readonly direction: Direction };

export type Heard =
  | { readonly kind: "silent"; readonly silentMs: number; readonly direction: "out" }
  /** The path had been reported silent and now is alive. */
  | { readonly kind: "alive" };

export interface Liveness {
  sent(now: number): void;
  /** `unheardMs`: how long the other end says it has heard nothing of us, 0 if it hears us; null: the frame does not say. */
  received(now: number, unheardMs: number | null): Heard | null;
  /** What is due at `now`. */
  tick(now: number): readonly LivenessEvent[];
  /** The time of the next `tick`. */
  wakeAt(): number;
  /** Whether the path was reported silent. */
  silent(): boolean;
  /** How long this end has heard nothing, which it says in its keepalives; 0 while it hears. */
  deafMs(now: number): number;
}

/** A wake-up so late was our own fault; sockets are read before we judge. */
const OVERSLEPT_MS = 40;
const GRACE_MS = 20;

export function createLiveness(rhythm: Rhythm, openedAt: number): Liveness {
  let sentAt = openedAt;
  let receivedAt: number | null = null;
  /** Since when the other end says that it hears nothing. */
  let unheardSince: number | null = null;
  let silent = false;
  let deaf = false;
  let graceUntil = 0;
  let graceUsed = false;

  const judgeAt = (): number => {
    if (receivedAt === null) return Number.POSITIVE_INFINITY;
    return Math.max(receivedAt + (deaf ? rhythm.deadMs : rhythm.silentMs), graceUntil);
  };
  const unheardDeadAt = (): number =>
    unheardSince === null ? Number.POSITIVE_INFINITY : Math.max(unheardSince + rhythm.deadMs, graceUntil);
  const judge = (now: number, events: LivenessEvent[]) => {
    if (receivedAt === null || now < judgeAt()) return;
    if (now - judgeAt() > OVERSLEPT_MS && !graceUsed) {
      graceUsed = true;
      graceUntil = now + GRACE_MS;
      return;
    }
    const silentMs = Math.round(now - receivedAt);
    deaf = true;
    if (!silent) events.push({ kind: "silent", silentMs, direction: "in" });
    silent = true;
    if (now >= receivedAt + rhythm.deadMs) events.push({ kind: "dead", silentMs, direction: "in" });
  };

  return {
    sent(now) {
      sentAt = now;
    },
    received(now, unheardMs) {
      receivedAt = now;
      deaf = false;
      graceUntil = 0;
      graceUsed = false;
      if (unheardMs === 0) unheardSince = null;
      else if (unheardMs !== null) {
        unheardSince ??= now;
        if (silent) return null;
        silent = true;
        return { kind: "silent", silentMs: unheardMs, direction: "out" };
      }
      if (!silent || unheardSince !== null) return null;
      silent = false;
      return { kind: "alive" };
    },
    tick(now) {
      const events: LivenessEvent[] = [];
      if (now >= sentAt + rhythm.keepaliveMs) events.push({ kind: "keepalive" });
      judge(now, events);
      if (now >= unheardDeadAt() && !events.some((event) => event.kind === "dead"))
        events.push({ kind: "dead", silentMs: rhythm.deadMs, direction: "out" });
      return events;
    },
    wakeAt: () => Math.min(sentAt + rhythm.keepaliveMs, judgeAt(), unheardDeadAt()),
    silent: () => silent,
    deafMs: (now) => (deaf && receivedAt !== null ? Math.round(now - receivedAt) : 0),
  };
}
