/** What a mutator answers: what was decided, why, and where the session stands; the same shape for every method. */
import type { Outcome, RejectionReason, Session, Step, TransitionReason } from "@vnes/vpn-common";

type Asked = Outcome["trigger"];

/** An answer that tells nothing of any session: unknown, or another's. */
export function unknownTo(reason: RejectionReason, trigger: Asked): Outcome {
  return {
    outcome: "rejected",
    reason,
    trigger,
    repeated: false,
    sessionId: null,
    state: null,
    version: 0,
    epoch: 0,
    channelId: null,
    previousChannelId: null,
    retryAfterMs: null,
    bound: null,
  };
}

/** Of a session at rest: `accepted` or `rejected` as said, `terminated` once it has ended, with the reason it ended for. */
export function outcomeAt(
  session: Session,
  outcome: "accepted" | "rejected",
  reason: TransitionReason | RejectionReason,
  trigger: Asked,
): Outcome {
  const ended = session.state === "TERMINATED";
  return {
    ...unknownTo("SESSION_UNKNOWN", trigger),
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
    return { ...outcomeAt(before, "rejected", step.reason, step.trigger), retryAfterMs, bound: step.bound };
  }
  const bound = step.session.epoch > before.epoch ? (step.session.binding?.channelId ?? null) : null;
  const released = step.released?.channelId ?? null;
  return {
    ...outcomeAt(step.session, "accepted", step.reason, step.trigger),
    bound: step.bound,
    channelId: bound,
    previousChannelId: released === bound ? null : released,
  };
}
