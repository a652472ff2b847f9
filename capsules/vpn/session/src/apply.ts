/** One event applied to one stored session: the step, its record, its clocks and its event on `vpn.session.v1`. */
import type { Json, Turn } from "@vnes/sdk";
import { lossDeadline, type SessionEvent, type Step, sessionDeadline, step } from "./machine.ts";
import { count } from "./counters.ts";
import { placeOf } from "./places.ts";
import { loadWakeAt, retire, saveSession, saveWakeAt } from "./store.ts";
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

/**
 * One timer for both clocks. It is set for the next of the two at the latest: when a clock was moved back since, it finds nothing
 * due and is set again. So a session that is heard again and again sets none.
 */
function setClocks(turn: Turn, session: Session): void {
  const { id } = session;
  const set = loadWakeAt(turn.keys, id);
  if (session.state === "TERMINATED") {
    if (set === null) return;
    turn.cancelTimer(clockOf(id));
    return saveWakeAt(turn.keys, id, null);
  }
  if (set === null || set > nextDeadline(session)) saveWakeAt(turn.keys, id, setClock(turn, session));
}

/** Returns for when it is set. */
export function setClock(turn: Turn, session: Session): number {
  const at = nextDeadline(session);
  turn.setTimer(clockOf(session.id), at);
  return at;
}

/** The timer of a place fired: what is due acts; when nothing is, it is set anew. */
export function onClock(turn: Turn, session: Session): void {
  saveWakeAt(turn.keys, session.id, null);
  const dueAt = nextDeadline(session);
  if (turn.at < dueAt) return setClocks(turn, session);
  const trigger = dueAt === lossDeadline(session) ? "lossClock" : "sessionClock";
  applyEvent(turn, session, { trigger }, { dueAt });
}

function nextDeadline(session: Session): number {
  return Math.min(sessionDeadline(session), lossDeadline(session) ?? Number.POSITIVE_INFINITY);
}

function clockOf(id: string): string {
  return `clock:${placeOf(id)}`;
}
