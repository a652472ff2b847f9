/** One event applied to one stored session: the step, its record, its clocks and its event on `vpn.session.v1`. */
import type { Json, Turn } from "@vnes/sdk";
import { lossDeadline, type SessionEvent, type Step, sessionDeadline, step } from "./machine.ts";
import { count, retire, saveSession } from "./store.ts";
import { BINDINGS, type Session, type State } from "./vocabulary.ts";

export const SESSION_TOPIC = "vpn.session.v1";

export function applyEvent(turn: Turn, session: Session, event: SessionEvent, evidence: Json): Step {
  const result = step(session, event, turn.at);
  if (result.kind === "rejected") {
    count(turn.keys, `rejected.${result.reason}`);
    turn.log("info", "session request rejected", {
      sessionId: session.id,
      state: result.state,
      trigger: result.trigger,
      reason: result.reason,
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
  publishTransition(turn, result.session, result.from, result.trigger, evidence, result.released);
  return result;
}

export function publishTransition(
  turn: Turn,
  session: Session,
  from: State | null,
  trigger: string,
  evidence: Json,
  released: { readonly channelId: string; readonly pathId: string } | null,
): void {
  const binding = session.binding;
  turn.publish(SESSION_TOPIC, session.id, {
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
    evidence,
  });
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
