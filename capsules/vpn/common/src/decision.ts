/**
 * What may come of an event: the session moved, or the event was rejected and nothing changed. Both are values, not
 * throws; `InvariantViolation` is the one thing here that is thrown, because it is a bug.
 */
import type { Bound } from "./bound.ts";
import type { Trigger } from "./events.ts";
import type { Binding, Session } from "./models.ts";
import type { RejectionReason, TransitionReason } from "./reasons.ts";
import type { State } from "./states.ts";

export type Moved = {
  readonly kind: "moved";
  readonly session: Session;
  readonly from: State;
  /** What moved it: the event's trigger, or the clock that was due before it. */
  readonly trigger: Trigger;
  readonly reason: TransitionReason;
  /** The binding this transition let go of. */
  readonly released: Binding | null;
  /** Null where no number decided. */
  readonly bound: Bound | null;
};

/** The session is as it was. */
export type Rejected = {
  readonly kind: "rejected";
  readonly reason: RejectionReason;
  readonly state: State;
  readonly trigger: Trigger;
  /** For SWITCH_RATE_EXCEEDED: when the next switch is allowed. */
  readonly allowedAt: number | null;
  readonly bound: Bound | null;
};

export type Step = Moved | Rejected;
