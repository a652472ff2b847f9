/**
 * The client's agent: a pure step from what was heard to what is asked for. One agent, one session, one active channel.
 * It owns no timer, no clock and no randomness; the turn brings them.
 */
import { type Bound, clientFrames as frames, silenceMet } from "@vnes/vpn-common";
import { checkActive, LATE_MS, onAddressesChanged, onPingDue, onSlept } from "./active.ts";
import { onFrame } from "./answers.ts";
import {
  dropAttempt,
  failAttempt,
  jump,
  MAX_SENDS,
  OPEN_MARGIN_MS,
  sendRequest,
  sendsMet,
} from "./attempts.ts";
import { onChannelClosed, onChannelOpened, onListed, onPathAlive, onPathTrouble } from "./channels.ts";
import type { ClientConfig } from "./config.ts";
import { ask, change, count, type Draft, forgetTimer, policyBound, tell, unwake, wake } from "./draft.ts";
import { end, inTrouble, loseActive, windowEnd } from "./health.ts";
import { dropCheck } from "./pings.ts";
import { armProbe, dropProbe, dropStandby, failProbe, onProbeDue, onProbeOpened } from "./probes.ts";
import { NEW_QUALITY } from "./quality.ts";
import { begin, jumpRefusal, onRanking, prepare } from "./rounds.ts";
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
  check: null,
  quality: NEW_QUALITY,
  probe: null,
  standby: null,
  timers: {},
  awakeAt: 0,
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
  const lateMs = at - Math.max(dueAt(agent, config), agent.awakeAt);
  if (heard.heard === "timer") forgetTimer(draft, heard.timer);
  if (heard.heard !== "started" && lateMs > LATE_MS) onSlept(draft, lateMs);
  hear(draft, heard);
  return { agent: draft.agent, asked: draft.asked };
}

/** When something was to be heard at the latest. */
function dueAt({ timers, attempt }: Agent, { policy }: ClientConfig): number {
  const openBy =
    attempt?.stage === "opening"
      ? attempt.startedAt + policy.openTimeoutMs + OPEN_MARGIN_MS
      : Number.POSITIVE_INFINITY;
  return Math.min(openBy, ...Object.values(timers));
}

function hear(draft: Draft, heard: Heard): void {
  const { active, attempt, mode, probe } = draft.agent;
  if (heard.heard === "started") return onStarted(draft);
  if (mode === "idle") return count(draft, `idle.${heard.heard}`);
  switch (heard.heard) {
    case "opened":
      if (attempt?.id === heard.attempt && attempt.stage === "opening") {
        return sendRequest(draft, attempt, heard.channelId);
      }
      if (probe?.id === heard.attempt && probe.check === null)
        return onProbeOpened(draft, probe, heard.channelId);
      count(draft, "late.opened");
      return ask(draft, { ask: "close", channelId: heard.channelId, reason: "NOT_WANTED" });
    case "openFailed":
      if (probe?.id === heard.attempt && probe.check === null)
        return failProbe(draft, probe, heard.code, openMet(draft, heard));
      if (attempt?.id !== heard.attempt || attempt.stage !== "opening")
        return count(draft, "late.openFailed");
      return failAttempt(draft, heard.code, openMet(draft, heard));
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
    case "channelOpened":
      return onChannelOpened(draft, heard.channelId);
    case "frame":
      if (mode === "ended") return count(draft, "late.frame");
      return onFrame(draft, heard.channelId, heard.frame);
    case "frameMalformed":
      return count(draft, "frameMalformed");
    case "pathSilent": {
      const { channelId, silentMs, direction = "in", limitMs } = heard;
      const evidence = { silentMs, direction, ...silenceMet("silentMs", silentMs, limitMs) };
      return onPathTrouble(draft, channelId, "PATH_SILENT", evidence);
    }
    case "pathRefused":
      return onPathTrouble(draft, heard.channelId, "SEND_FAILED", { code: heard.code });
    case "pathAlive":
      return onPathAlive(draft, heard.channelId);
    case "addressesChanged":
      return onAddressesChanged(draft, heard.gone, heard.came);
    case "transportStarted":
      if (active !== null) ask(draft, { ask: "list" });
      return;
    case "channelClosed":
      return onChannelClosed(draft, heard);
    case "listed":
      return onListed(draft, heard);
    case "ranked":
    case "rankFailed":
      return onRanking(draft, heard);
    case "timer":
      return onTimer(draft, heard.timer);
    case "jumpAsked":
      // Whoever asked was told why; between question and answer nothing else is heard.
      if (mode !== "steady" || attempt !== null || jumpRefusal(draft) !== undefined)
        return count(draft, "late.jumpAsked");
      return jump(draft, heard.pathId);
    case "jumpRefused":
      return onJumpRefused(draft, heard);
    case "closeAsked":
      return onCloseAsked(draft);
    case "renewAsked":
      return renew(draft, "RENEW_ASKED");
  }
}

/** How long a channel may take to open: the transport's number, or what the client waits for the transport. */
function openMet(draft: Draft, heard: Extract<Heard, { heard: "openFailed" }>): Bound | null {
  const { code, waitedMs, limitMs } = heard;
  if (waitedMs === undefined) return null;
  if (limitMs !== undefined) return { bound: "openTimeoutMs", limit: limitMs, value: waitedMs, unit: "ms" };
  return code === "CALL_TIMEOUT" ? policyBound(draft, "openTimeoutMs", waitedMs) : null;
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
  dropCheck(draft);
  dropProbe(draft, "RESTARTED");
  dropStandby(draft, "RESTARTED");
  change(draft, {
    tried: [],
    rounds: 0,
    ranking: null,
    isPrepared: false,
    asking: null,
    quality: NEW_QUALITY,
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
      if (attempt.sends >= MAX_SENDS) return failAttempt(draft, "NO_ANSWER", sendsMet(attempt));
      return sendRequest(draft, attempt, attempt.channelId);
    case "retry":
      return begin(draft);
    case "recovery": {
      const closesAt = windowEnd(draft);
      if (closesAt === null) return;
      // The machine slept, and the window moved.
      if (at < closesAt) return wake(draft, "recovery", closesAt);
      return end(draft, session === null ? "CONNECT_EXPIRED" : "RECOVERY_EXPIRED");
    }
    case "watch":
      if (active === null || session === null) return;
      ask(draft, { ask: "list" });
      checkActive(draft);
      if (agent.mode === "steady") {
        armProbe(draft);
        prepare(draft);
      }
      return wake(draft, "watch", at + config.policy.watchMs);
    case "ping":
      return onPingDue(draft);
    case "probe":
      return onProbeDue(draft);
    case "renew":
      if (agent.mode !== "ended" || !config.renew) return;
      return renew(draft, agent.reason);
  }
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

/** What the gateway is told over that the session ends; null: nothing is open, or there is no session to end. */
export function wayToTell({ active, attempt, session }: Agent): {
  readonly channelId: string;
  readonly pathId: string;
} | null {
  if (session === null) return null;
  if (active !== null) return active;
  // Without an active channel the one that is being asked over does as well.
  const channelId = attempt?.channelId ?? null;
  return attempt === null || channelId === null ? null : { channelId, pathId: attempt.pathId };
}

function onCloseAsked(draft: Draft): void {
  const { active, session, mode } = draft.agent;
  if (mode === "ended") return count(draft, "late.closeAsked");
  const way = wayToTell(draft.agent);
  if (way !== null && session !== null) {
    const frame = frames.close(draft.nonce, session.id);
    ask(draft, { ask: "sendAndClose", channelId: way.channelId, frame, reason: "CLIENT_CLOSED" });
    if (active !== null) change(draft, { active: null });
    else change(draft, { attempt: null });
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
