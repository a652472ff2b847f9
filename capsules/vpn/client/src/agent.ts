/**
 * The client's agent: a pure step from what was heard to what is asked for. One agent, one session, one active channel.
 * It owns no timer, no clock and no randomness; the turn brings them.
 */
import { clientFrames as frames } from "@vnes/vpn-common";
import { onFrame } from "./answers.ts";
import { dropAttempt, failAttempt, jump, MAX_SENDS, sendRequest } from "./attempts.ts";
import type { ClientConfig } from "./config.ts";
import { ask, change, count, type Draft, tell, unwake, wake } from "./draft.ts";
import { cleared, end, inTrouble, loseActive, suspect, windowEnd } from "./health.ts";
import { begin, onRanking, prepare } from "./rounds.ts";
import type { Agent, Asked, Heard, TimerName } from "./vocabulary.ts";

export const NEW_AGENT: Agent = {
  mode: "idle",
  reason: "NOT_CONFIGURED",
  gateway: null,
  session: null,
  active: null,
  lastPath: null,
  attempt: null,
  attempts: 0,
  creation: null,
  troubleSince: null,
  lastSwitchAt: null,
  switches: [],
  tried: [],
  rounds: 0,
  ranking: null,
  isPrepared: false,
  asking: null,
  requests: 0,
  pinged: null,
  waiting: null,
  paths: {},
  recent: [],
  counters: {},
};

export interface Step {
  readonly agent: Agent;
  readonly asked: readonly Asked[];
}

/** `nonce` is fresh with every step. */
export function step(agent: Agent, heard: Heard, config: ClientConfig, at: number, nonce: string): Step {
  const draft: Draft = { agent, config, at, nonce, asked: [] };
  hear(draft, heard);
  return { agent: draft.agent, asked: draft.asked };
}

function hear(draft: Draft, heard: Heard): void {
  const { active, attempt, mode } = draft.agent;
  if (heard.heard === "started") return onStarted(draft);
  if (mode === "idle") return count(draft, `idle.${heard.heard}`);
  switch (heard.heard) {
    case "opened":
      if (attempt?.id === heard.attempt && attempt.stage === "opening") {
        return sendRequest(draft, attempt, heard.channelId);
      }
      count(draft, "late.opened");
      return ask(draft, { ask: "close", channelId: heard.channelId, reason: "NOT_WANTED" });
    case "openFailed":
      if (attempt?.id !== heard.attempt || attempt.stage !== "opening")
        return count(draft, "late.openFailed");
      return failAttempt(draft, heard.code);
    case "sendFailed":
      if (attempt?.id !== heard.attempt || attempt.stage !== "asking") return count(draft, "late.sendFailed");
      // Whether a frame left is not known after these two; the answer's timer decides.
      if (heard.code === "CALL_TIMEOUT" || heard.code === "CALL_DROPPED_ON_RECOVERY")
        return count(draft, heard.code);
      return failAttempt(draft, heard.code);
    case "setActiveFailed":
      count(draft, `setActive.${heard.code}`);
      if (active?.channelId !== heard.channelId || heard.code !== "TRANSPORT_CHANNEL_UNKNOWN") return;
      loseActive(draft, "SET_ACTIVE_FAILED", heard.code);
      return begin(draft);
    case "channelOpened": {
      // While an attempt opens, this may be its channel; its own answer tells.
      const known = active?.channelId === heard.channelId || attempt?.channelId === heard.channelId;
      if (known || attempt?.stage === "opening") return;
      count(draft, "orphan");
      return ask(draft, { ask: "close", channelId: heard.channelId, reason: "NOT_WANTED" });
    }
    case "frame":
      if (mode === "ended") return count(draft, "late.frame");
      return onFrame(draft, heard.channelId, heard.frame);
    case "frameMalformed":
      return count(draft, "frameMalformed");
    case "pathSilent":
      if (attempt?.channelId === heard.channelId) return failAttempt(draft, "PATH_SILENT");
      if (active?.channelId !== heard.channelId || mode !== "steady") return;
      suspect(draft, heard.silentMs);
      return begin(draft);
    case "pathAlive":
      if (active?.channelId === heard.channelId && mode === "suspect") cleared(draft);
      return;
    case "channelClosed":
      if (attempt?.channelId === heard.channelId) return failAttempt(draft, "CHANNEL_CLOSED");
      if (active?.channelId !== heard.channelId) return;
      loseActive(draft, "CHANNEL_CLOSED", heard.reason);
      return begin(draft);
    case "listed":
      return onListed(draft, heard);
    case "ranked":
    case "rankFailed":
      return onRanking(draft, heard);
    case "timer":
      return onTimer(draft, heard.timer);
    case "jumpAsked":
      return jump(draft, heard.pathId);
    case "jumpRefused":
      return onJumpRefused(draft, heard);
    case "closeAsked":
      return onCloseAsked(draft);
    case "renewAsked":
      return renew(draft, "RENEW_ASKED");
  }
}

/** Whatever was open is closed or gone, and which is not known: the same session is asked for over a new channel. */
function onStarted(draft: Draft): void {
  const { agent, config, at } = draft;
  const { session, active } = agent;
  const other = agent.gateway !== null && agent.gateway !== config.gateway;
  if (other && session !== null && agent.mode !== "ended") return end(draft, "GATEWAY_CHANGED");
  if (other) change(draft, { ...NEW_AGENT, attempts: agent.attempts, requests: agent.requests });
  if (config.gateway === null) return change(draft, { mode: "idle", reason: "NOT_CONFIGURED" });
  change(draft, { gateway: config.gateway });
  // An ended session stays ended; where there never was one, there is no identity to lose by trying again.
  if (draft.agent.mode === "ended" && draft.agent.session !== null) return;
  dropAttempt(draft, "RESTARTED");
  change(draft, {
    tried: [],
    rounds: 0,
    ranking: null,
    isPrepared: false,
    asking: null,
    pinged: null,
    waiting: null,
  });
  if (draft.agent.session === null) {
    inTrouble(draft, "seeking", "STARTED");
    change(draft, { reason: "STARTED" });
    tell(draft, "seeking", "STARTED");
    return begin(draft);
  }
  if (active !== null) ask(draft, { ask: "close", channelId: active.channelId, reason: "RESTARTED" });
  // Time spent switched off is not the network's: the window opens anew unless the trouble is older than the stop.
  if (agent.mode === "steady") change(draft, { troubleSince: at });
  loseActive(draft, "RESTARTED");
  begin(draft);
}

function onTimer(draft: Draft, timer: TimerName): void {
  const { agent, at, config } = draft;
  const { attempt, session, active } = agent;
  switch (timer) {
    case "attempt":
      if (attempt === null || attempt.channelId === null) return;
      if (attempt.sends >= MAX_SENDS) return failAttempt(draft, "NO_ANSWER");
      return sendRequest(draft, attempt, attempt.channelId);
    case "retry":
      return begin(draft);
    case "recovery": {
      const closesAt = windowEnd(draft);
      if (closesAt === null || at < closesAt) return;
      return end(draft, session === null ? "CONNECT_EXPIRED" : "RECOVERY_EXPIRED");
    }
    case "watch":
      if (active === null || session === null) return;
      ask(draft, { ask: "list" });
      ask(draft, {
        ask: "send",
        attempt: 0,
        channelId: active.channelId,
        frame: frames.ping(draft.nonce, session.id),
      });
      change(draft, { pinged: { nonce: draft.nonce, at } });
      if (agent.mode === "steady") prepare(draft);
      return wake(draft, "watch", at + config.policy.watchMs);
    case "renew":
      if (agent.mode !== "ended" || !config.renew) return;
      return renew(draft, agent.reason);
  }
}

/** The events of the transport may be lost; its own list may not. */
function onListed(draft: Draft, { askedAt, channels }: Extract<Heard, { heard: "listed" }>): void {
  const { active, mode } = draft.agent;
  if (active === null || active.since > askedAt) return;
  const listed = channels.find((channel) => channel.channelId === active.channelId);
  if (listed === undefined) {
    loseActive(draft, "CHANNEL_NOT_LISTED");
    return begin(draft);
  }
  if (listed.silent && mode === "steady") {
    suspect(draft, null);
    return begin(draft);
  }
  if (!listed.silent && mode === "suspect") cleared(draft);
}

/** Said once for as long as the same thing stands in the way; who asks again and again is counted. */
function onJumpRefused(
  draft: Draft,
  { pathId, reason, evidence }: Extract<Heard, { heard: "jumpRefused" }>,
): void {
  const last = draft.agent.recent.at(-1);
  const isSame = last?.event === "denied" && last.reason === reason && last.pathId === pathId;
  if (isSame && last.evidence["until"] === evidence["until"]) return count(draft, `denied.${reason}`);
  tell(draft, "denied", reason, { path: pathId }, { by: "person", ...evidence });
}

function onCloseAsked(draft: Draft): void {
  const { active, session } = draft.agent;
  if (active !== null && session !== null) {
    const frame = frames.close(draft.nonce, session.id);
    ask(draft, { ask: "sendAndClose", channelId: active.channelId, frame, reason: "CLIENT_CLOSED" });
    change(draft, { active: null });
  }
  end(draft, "CLIENT_CLOSED");
}

/** A new identity, said aloud: after an explicit end, because a person or the configuration asks for it. */
function renew(draft: Draft, reason: string): void {
  const { agent, config } = draft;
  const previous = agent.session?.id ?? null;
  change(draft, {
    gateway: config.gateway,
    session: null,
    creation: null,
    lastPath: null,
    lastSwitchAt: null,
  });
  inTrouble(draft, "seeking", reason);
  tell(draft, "renewed", reason, {}, { previous });
  unwake(draft, "renew");
  begin(draft);
}
