/**
 * What the gateway's frames do to the agent.
 *
 * CL4. The session's identity never changes by an answer: one that names another session ends the attempt.
 * CL5. The mirror never goes back.
 */
import type { GatewayFrame } from "@vnes/vpn-common";
import { dropAttempt, failAttempt, giveUp, MAX_SENDS, resync, retryLater, sendsMet } from "./attempts.ts";
import { onActiveAnswer } from "./active.ts";
import {
  ask,
  change,
  count,
  type Draft,
  healthOf,
  mirror,
  noteSwitches,
  tell,
  unwake,
  wake,
} from "./draft.ts";
import { end, inTrouble, loseActive } from "./health.ts";
import { trust } from "./paths.ts";
import { dropCheck } from "./pings.ts";
import { armProbe, dropProbe, dropStandby, onProbeAnswer, onSideChannel } from "./probes.ts";
import { NEW_QUALITY } from "./quality.ts";
import { begin, prepare, switchBound, switchesMet } from "./rounds.ts";
import type { Attempt } from "./vocabulary.ts";

type Frame<T extends GatewayFrame["type"]> = Extract<GatewayFrame, { readonly type: T }>;

export function onFrame(draft: Draft, channelId: string, frame: GatewayFrame): void {
  switch (frame.type) {
    case "accepted":
      return onAccepted(draft, channelId, frame);
    case "rejected":
      return onRejected(draft, channelId, frame);
    case "terminated":
      return onTerminated(draft, frame);
    case "pong":
      return onPong(draft, channelId, frame);
  }
}

function onAccepted(draft: Draft, channelId: string, frame: Frame<"accepted">): void {
  const { agent, at } = draft;
  const { attempt, session, active } = agent;
  if (attempt === null || attempt.channelId !== channelId || attempt.nonce !== frame.nonce) {
    return count(draft, "late.accepted");
  }
  const fits = session === null || (session.id === frame.sessionId && frame.epoch > session.epoch);
  if (!fits) return failAttempt(draft, "ANSWER_UNFIT");
  const isSwitch = session !== null;
  const troubleSince = agent.troubleSince;
  mirror(draft, frame.sessionId, frame.version, frame.epoch);
  unwake(draft, "attempt", "retry", "recovery");
  change(draft, {
    mode: "steady",
    reason: frame.reason,
    active: { channelId, pathId: attempt.pathId, since: at },
    lastPath: attempt.pathId,
    attempt: null,
    creation: null,
    troubleSince: null,
    tried: [],
    rounds: 0,
    asking: null,
    quality: NEW_QUALITY,
    waiting: null,
  });
  if (isSwitch) noteSwitches(draft, 1);
  trust(draft, attempt.pathId);
  dropCheck(draft);
  if (agent.standby?.pathId === attempt.pathId) dropStandby(draft, "REPLACED");
  ask(draft, { ask: "setActive", channelId, epoch: frame.epoch, sessionId: frame.sessionId });
  if (active !== null) ask(draft, { ask: "close", channelId: active.channelId, reason: "REPLACED" });
  const evidence = {
    attemptMs: at - attempt.startedAt,
    troubleMs: troubleSince === null ? null : at - troubleSince,
    sends: attempt.sends,
    cause: attempt.cause,
    choice: attempt.choice,
    ...(isSwitch ? { bound: switchesMet(draft) } : {}),
  };
  const from = active?.pathId ?? agent.lastPath;
  tell(draft, isSwitch ? "switched" : "attached", frame.reason, { path: attempt.pathId, from }, evidence);
  wake(draft, "watch", at + draft.config.policy.watchMs);
  armProbe(draft);
  prepare(draft);
}

function onRejected(draft: Draft, channelId: string, frame: Frame<"rejected">): void {
  const { attempt, active, session, probe } = draft.agent;
  if (frame.reason === NOT_ADMITTED) return onNotAdmitted(draft, channelId);
  const mine = attempt?.channelId === channelId && (frame.nonce === null || frame.nonce === attempt.nonce);
  if (!mine || attempt === null) {
    if (frame.reason === "SESSION_UNKNOWN" && active?.channelId === channelId && session !== null) {
      return end(draft, frame.reason);
    }
    // No path is to blame for what the gateway does not want to answer.
    if (probe?.check?.channelId === channelId) {
      // A gateway that shares the session and does not follow it: the path works, and it keeps no channel for us.
      if (frame.reason === "SESSION_UNKNOWN" && frame.nonce !== null)
        return onProbeAnswer(draft, probe, frame.nonce, false);
      dropProbe(draft, frame.reason);
      armProbe(draft);
    } else if (active?.channelId === channelId && WAIT.includes(frame.reason)) dropCheck(draft);
    return count(draft, `late.rejected.${frame.reason}`);
  }
  switch (frame.reason) {
    case "EPOCH_STALE":
    case "BOUND_ELSEWHERE":
    case "ALREADY_ATTACHED":
      return onMissedBind(draft, attempt, frame);
    case "SWITCH_RATE_EXCEEDED":
    case "RATE_LIMITED":
    case "GATEWAY_OVERLOADED":
    case "SESSIONS_FULL":
    case "OWNER_HAS_SESSION":
      return retryLater(draft, frame.reason, frame.retryAfterMs, frame.bound);
    case "GATEWAY_BUSY":
      if (attempt.sends >= MAX_SENDS) return failAttempt(draft, frame.reason, sendsMet(attempt));
      return wake(draft, "attempt", draft.at + (frame.retryAfterMs ?? draft.config.policy.answerMs));
    case "SESSION_UNKNOWN":
    case "OWNER_MISMATCH":
    case "EPOCH_AHEAD":
    case "TRANSITION_ILLEGAL":
      // The two sides disagree about what happened, and only the session's owner may be right.
      return end(draft, frame.reason);
    default:
      return failAttempt(draft, frame.reason, frame.bound);
  }
}

/** Frames that were not read: nothing was learned of the path. */
const WAIT: readonly string[] = ["RATE_LIMITED", "GATEWAY_OVERLOADED"];
const NOT_ADMITTED = "PEER_NOT_ADMITTED";

/**
 * Said before any request was read. Of several gateways one may not know this key, and what another one carries goes on: it
 * is the end over the active channel, or where every candidate says so.
 */
function onNotAdmitted(draft: Draft, channelId: string): void {
  const { active, attempt } = draft.agent;
  if (active?.channelId === channelId) return end(draft, NOT_ADMITTED);
  if (onSideChannel(draft, channelId, NOT_ADMITTED)) return;
  if (attempt?.channelId !== channelId) return count(draft, `late.rejected.${NOT_ADMITTED}`);
  const isSaidByAll = draft.config.candidates.every(({ pathId }) => {
    return pathId === attempt.pathId || healthOf(draft.agent, pathId).lastFailure === NOT_ADMITTED;
  });
  if (isSaidByAll && draft.agent.mode !== "steady") return end(draft, NOT_ADMITTED);
  failAttempt(draft, NOT_ADMITTED);
}

/** A bind succeeded whose answer was lost: the rejection carries where the session stands. */
function onMissedBind(draft: Draft, attempt: Attempt, frame: Frame<"rejected">): void {
  const { session } = draft.agent;
  if (frame.sessionId === null) return failAttempt(draft, "ANSWER_UNFIT");
  if (session !== null && session.id !== frame.sessionId) return failAttempt(draft, "ANSWER_UNFIT");
  if (session !== null && frame.epoch <= session.epoch) return failAttempt(draft, "ANSWER_UNFIT");
  mirror(draft, frame.sessionId, frame.version, frame.epoch);
  change(draft, { creation: null });
  if (session === null) learned(draft);
  // It moved all the same, and asking again moves it once more.
  if (session !== null) noteSwitches(draft, frame.epoch - session.epoch);
  const held = switchBound(draft);
  if (held === undefined) resync(draft, attempt);
  else giveUp(draft, attempt, held.reason, held.bound);
}

/** There is a session to lose from now on: its window is `recoveryMs`, and no more what is left of `connectMs`. */
function learned(draft: Draft): void {
  change(draft, { troubleSince: draft.at });
  inTrouble(draft, draft.agent.mode, draft.agent.reason);
}

function onTerminated(draft: Draft, frame: Frame<"terminated">): void {
  const { session, attempt, creation } = draft.agent;
  const mine =
    session === null ? attempt !== null && frame.nonce === creation : session.id === frame.sessionId;
  if (!mine) return count(draft, "late.terminated");
  mirror(draft, frame.sessionId, frame.version, frame.epoch);
  end(draft, frame.reason, frame.bound);
}

function onPong(draft: Draft, channelId: string, frame: Frame<"pong">): void {
  const { session, active, probe } = draft.agent;
  const isProbe = probe?.check?.channelId === channelId;
  const isActive = active?.channelId === channelId;
  if (session === null || session.id !== frame.sessionId || !(isActive || isProbe)) {
    return count(draft, "late.pong");
  }
  mirror(draft, frame.sessionId, frame.version, session.epoch);
  if (frame.state === "TERMINATED") return end(draft, "SESSION_TERMINATED");
  if (isProbe) return onProbeAnswer(draft, probe, frame.nonce, true);
  if (frame.bound) return onActiveAnswer(draft, frame.nonce);
  // To a ping from before this channel was bound, as a standby's: the answer that bound it came first.
  if (frame.epoch < session.epoch) return count(draft, "late.pong");
  loseActive(draft, "CHANNEL_NOT_BOUND");
  ask(draft, { ask: "close", channelId, reason: "CHANNEL_NOT_BOUND" });
  dropAttempt(draft, "CHANNEL_NOT_BOUND");
  begin(draft);
}
