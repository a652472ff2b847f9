/** What a mutator answers: what was decided, why, and where the session stands; the same shape for every method. */
import type { Step } from "./machine.ts";
import type { RejectionReason, Session, State, TransitionReason } from "./vocabulary.ts";

export type Outcome = {
  /** `terminated`: the session has ended, by this request or before it. */
  readonly outcome: "accepted" | "rejected" | "terminated";
  readonly reason: TransitionReason | RejectionReason;
  /** True when this nonce was answered before and the recorded answer is given again. */
  readonly repeated: boolean;
  /** Null when the asker may not know. */
  readonly sessionId: string | null;
  readonly state: State | null;
  readonly version: number;
  readonly epoch: number;
  /** The channel bound by the request this answers. */
  readonly channelId: string | null;
  /** The channel that was bound before it, when it was another. */
  readonly previousChannelId: string | null;
  /** For SWITCH_RATE_EXCEEDED: how long until a switch is allowed. */
  readonly retryAfterMs: number | null;
};

/** An answer that tells nothing of any session: unknown, or another's. */
export function unknownTo(reason: RejectionReason): Outcome {
  return {
    outcome: "rejected",
    reason,
    repeated: false,
    sessionId: null,
    state: null,
    version: 0,
    epoch: 0,
    channelId: null,
    previousChannelId: null,
    retryAfterMs: null,
  };
}

/** Of a session at rest: `accepted` or `rejected` as said, `terminated` once it has ended, with the reason it ended for. */
export function outcomeAt(
  session: Session,
  outcome: "accepted" | "rejected",
  reason: TransitionReason | RejectionReason,
): Outcome {
  const ended = session.state === "TERMINATED";
  return {
    ...unknownTo("SESSION_UNKNOWN"),
    outcome: ended ? "terminated" : outcome,
    reason: ended ? session.reason : reason,
    sessionId: session.id,
    state: session.state,
    version: session.version,
    epoch: session.epoch,
  };
}

export function outcomeOf(before: Session, step: Step, at: number): Outcome {
  if (step.kind === "rejected") {
    const retryAfterMs = step.allowedAt === null ? null : step.allowedAt - at;
    return { ...outcomeAt(before, "rejected", step.reason), retryAfterMs };
  }
  const bound = step.session.epoch > before.epoch ? (step.session.binding?.channelId ?? null) : null;
  const released = step.released?.channelId ?? null;
  return {
    ...outcomeAt(step.session, "accepted", step.reason),
    channelId: bound,
    previousChannelId: released === bound ? null : released,
  };
}
