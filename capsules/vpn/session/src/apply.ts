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
import { count } from "./counters.ts";
import { isDue, lossDeadline, sessionDeadline, step } from "./machine.ts";
import { placeOf } from "./places.ts";
import { loadSession, loadWakeAt, retire, saveAnswers, saveSession, saveWakeAt } from "./store.ts";

export function applyEvent(turn: Turn, session: Session, event: SessionEvent, evidence: Json): Step {
  const result = step(session, event, turn.at);
  settle(turn, session, result, evidence);
  return result;
}

/** Carries out what a step came to. `answers`: those to remember from now on, if there are others than before. */
export function settle(turn: Turn, session: Session, result: Step, evidence: Json, answers?: string): void {
  if (result.kind === "rejected") {
    if (answers !== undefined) saveAnswers(turn.keys, session.id, answers);
    count(turn.keys, `rejected.${result.reason}`);
    turn.log("info", "session request rejected", {
      sessionId: session.id,
      state: result.state,
      trigger: result.trigger,
      reason: result.reason,
      bound: result.bound,
    });
    return;
  }
  const wakeAt = clockFor(turn, result.session, loadWakeAt(turn.keys, session.id));
  saveSession(turn.keys, result.session, wakeAt, answers);
  if (result.session.state === "TERMINATED") {
    retire(turn.keys, result.session);
  }
  count(turn.keys, `moved.${result.reason}`);
  publishTransition(turn, result.session, result, evidence);
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

/**
 * One timer for both clocks, `set` for the next of the two at the latest: when a clock was moved back since, it finds nothing
 * due and is set again. So a session that is heard again and again sets none. Returns for when it is set now.
 */
function clockFor(turn: Turn, session: Session, set: number | null): number | null {
  if (session.state !== "TERMINATED")
    return set === null || set > nextDeadline(session) ? setClock(turn, session) : set;
  if (set !== null) turn.cancelTimer(clockOf(session.id));
  return null;
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
  if (isDue(session, turn.at)) actDue(turn, session);
  else saveWakeAt(turn.keys, session.id, setClock(turn, session));
}

/** The session as it is at this moment, whose timer may be late: a clock that is due has acted. */
export function loadAt(turn: Turn, id: string): Session | undefined {
  const session = loadSession(turn.keys, id);
  if (session === undefined || !isDue(session, turn.at)) return session;
  actDue(turn, session);
  return loadSession(turn.keys, id);
}

function actDue(turn: Turn, session: Session): void {
  const dueAt = nextDeadline(session);
  const trigger = dueAt === lossDeadline(session) ? "lossClock" : "sessionClock";
  applyEvent(turn, session, { trigger }, { dueAt });
}

function nextDeadline(session: Session): number {
  return Math.min(sessionDeadline(session), lossDeadline(session) ?? Number.POSITIVE_INFINITY);
}

function clockOf(id: string): string {
  return `clock:${placeOf(id)}`;
}
