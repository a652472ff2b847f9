/** One event applied to one stored session: the step, its record, its clocks and its event on `vpn.session.v1`. */
import type { Json, JsonObject, Turn } from "@vnes/sdk";
import {
  BINDINGS,
  type Bound,
  type Session,
  SESSION_TOPIC,
  type SessionEvent,
  type SessionMoved,
  type Step,
} from "@vnes/vpn-common";
import { lossDeadline, sessionDeadline, step } from "./machine.ts";
import { count, retire, saveSession } from "./store.ts";

export function applyEvent(turn: Turn, session: Session, event: SessionEvent, evidence: Json): Step {
  const result = step(session, event, turn.at);
  if (result.kind === "rejected") {
    count(turn.keys, `rejected.${result.reason}`);
    turn.log("info", "session request rejected", {
      sessionId: session.id,
      state: result.state,
      trigger: result.trigger,
      reason: result.reason,
      bound: result.bound,
    });
    return result;
  }
  saveSession(turn.keys, result.session);
  setClocks(turn, result.session);
  if (result.session.state === "TERMINATED") {
    count(turn.keys, "live", -1);
    retire(turn.keys, result.session);
  }
  count(turn.keys, `moved.${result.reason}`);
  publishTransition(turn, result.session, result, evidence);
  return result;
}

type How = Pick<SessionMoved, "from" | "trigger" | "released"> & { readonly bound: Bound | null };

/** `evidence`: what the reporter saw. The number that decided is beside it, under `bound`. */
export function publishTransition(
  turn: Turn,
  session: Session,
  { from, trigger, released, bound }: How,
  evidence: Json,
): void {
  const { binding } = session;
  const moved: SessionMoved & JsonObject = {
    sessionId: session.id,
    owner: session.owner,
    version: session.version,
    from,
    to: session.state,
    trigger,
    reason: session.reason,
    epoch: session.epoch,
    bindings: BINDINGS[session.state],
    binding: binding === null ? null : { channelId: binding.channelId, pathId: binding.pathId },
    released: released === null ? null : { channelId: released.channelId, pathId: released.pathId },
    at: turn.at,
    evidence: { ...fieldsOf(evidence), ...(bound === null ? {} : { bound }) },
  };
  turn.publish(SESSION_TOPIC, session.id, moved);
}

/** Evidence that is no object is kept whole, under a name. */
function fieldsOf(evidence: Json): JsonObject {
  if (evidence === null) return {};
  return typeof evidence === "object" && !Array.isArray(evidence)
    ? (evidence as JsonObject)
    : { reported: evidence };
}

/** Both clocks are set anew from the record after every transition, so a timer never knows more than the record. */
export function setClocks(turn: Turn, session: Session): void {
  if (session.state === "TERMINATED") {
    turn.cancelTimer(`session:${session.id}`);
    turn.cancelTimer(`loss:${session.id}`);
    return;
  }
  if (session.state === "BIRTH") turn.setTimer(`session:${session.id}`, sessionDeadline(session));
  const loss = lossDeadline(session);
  if (loss === null) turn.cancelTimer(`loss:${session.id}`);
  else turn.setTimer(`loss:${session.id}`, loss);
}
