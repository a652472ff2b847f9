/**
 * How the client tries to attach: one attempt at a time, each over a channel of its own, within every bound.
 *
 * C1. At most one attempt exists; what answers another one is closed or left aside.
 * C2. A request is repeated with the same nonce over the same channel only; a creation keeps its nonce over every channel.
 * C3. Nothing is tried before `waiting.until`, and nothing waits without a timer.
 */
import {
  ask,
  change,
  count,
  type Draft,
  healthOf,
  recentSwitches,
  SWITCH_WINDOW_MS,
  tell,
  unwake,
  wake,
} from "./draft.ts";
import * as frames from "./frames.ts";
import { nextPath } from "./ranking.ts";
import type { Attempt } from "./vocabulary.ts";

/** One lost answer is weather; four in a row are a path that does not work. */
export const MAX_SENDS = 4;
/** Each teaches the client an epoch it missed; more than this is a gateway that contradicts itself. */
export const MAX_RESYNCS = 3;
/** The pause between rounds doubles up to this many times the first. */
const MAX_BACKOFF = 16;
const DEFAULT_RETRY_LATER_MS = 1000;
const MAX_RETRY_LATER_MS = 60_000;

/** Begins an attempt over the best candidate, or says what it waits for and sets the timer. */
export function begin(draft: Draft): void {
  const { agent, config, at } = draft;
  if (agent.attempt !== null || !isSeeking(draft)) return;
  const wait = waitFor(draft);
  if (wait !== undefined) return waitUntil(draft, wait.reason, wait.until);
  const pathId = nextPath(config.candidates, agent.paths, agent.tried, agent.lastPath);
  if (pathId === undefined) {
    const pause = config.policy.retryMs * Math.min(2 ** agent.rounds, MAX_BACKOFF);
    change(draft, { tried: [], rounds: agent.rounds + 1 });
    return waitUntil(draft, "ROUND_FAILED", at + pause);
  }
  change(draft, { tried: [...agent.tried, pathId] });
  open(draft, pathId, false);
}

/** A person's jump: one attempt over one path, from a session that is well. */
export function jump(draft: Draft, pathId: string): void {
  open(draft, pathId, true);
}

/** Why a person's jump is refused now; undefined: it may begin. */
export function jumpRefusal(draft: Draft): { readonly reason: string; readonly until: number } | undefined {
  return cooldown(draft) ?? switchBound(draft);
}

function open(draft: Draft, pathId: string, asked: boolean): void {
  const { agent, at, nonce } = draft;
  const kind = agent.session === null ? "create" : "reattach";
  const attempt: Attempt = {
    id: agent.attempts + 1,
    pathId,
    kind,
    asked,
    stage: "opening",
    channelId: null,
    nonce: kind === "create" ? (agent.creation ?? nonce) : nonce,
    sends: 0,
    resyncs: 0,
    startedAt: at,
  };
  const creation = kind === "create" ? attempt.nonce : agent.creation;
  change(draft, { attempt, attempts: attempt.id, creation, waiting: null });
  unwake(draft, "retry");
  ask(draft, { ask: "open", attempt: attempt.id, pathId });
}

/** The channel is open, or the answer has not come: asks, or asks again. */
export function sendRequest(draft: Draft, attempt: Attempt, channelId: string): void {
  const { session } = draft.agent;
  const frame =
    attempt.kind === "create" || session === null
      ? frames.create(attempt.nonce)
      : frames.reattach(attempt.nonce, session.id, session.epoch, session.version);
  change(draft, { attempt: { ...attempt, stage: "asking", channelId, sends: attempt.sends + 1 } });
  ask(draft, { ask: "send", attempt: attempt.id, channelId, frame });
  wake(draft, "attempt", draft.at + draft.config.policy.answerMs);
}

/** Learned a later epoch than it knew: asks again over the same channel with a nonce of its own. */
export function resync(draft: Draft, attempt: Attempt): void {
  const { channelId } = attempt;
  if (channelId === null || attempt.resyncs >= MAX_RESYNCS) return failAttempt(draft, "ANSWER_UNFIT");
  count(draft, "resynced");
  const next: Attempt = {
    ...attempt,
    kind: "reattach",
    nonce: draft.nonce,
    sends: 0,
    resyncs: attempt.resyncs + 1,
  };
  sendRequest(draft, next, channelId);
}

/** The path did not work: counts against it, and the next one is tried. */
export function failAttempt(draft: Draft, reason: string): void {
  const { attempt } = draft.agent;
  if (attempt === null) return;
  const health = healthOf(draft.agent, attempt.pathId);
  const failed = { ...health, failures: health.failures + 1, lastFailure: reason };
  change(draft, { paths: { ...draft.agent.paths, [attempt.pathId]: failed } });
  tell(draft, "pathFailed", reason, { path: attempt.pathId }, { sends: attempt.sends });
  dropAttempt(draft, reason);
  if (attempt.asked) tell(draft, "denied", "JUMP_FAILED", { path: attempt.pathId }, { cause: reason });
  begin(draft);
}

/** The path is not to blame: the gateway asked to wait. */
export function retryLater(draft: Draft, reason: string, retryAfterMs: number | null): void {
  const pause = Math.min(retryAfterMs ?? DEFAULT_RETRY_LATER_MS, MAX_RETRY_LATER_MS);
  const path = draft.agent.attempt?.pathId ?? null;
  const asked = draft.agent.attempt?.asked ?? false;
  dropAttempt(draft, reason);
  change(draft, { tried: [] });
  if (asked && draft.agent.mode === "steady") return tell(draft, "denied", reason, { path });
  waitUntil(draft, reason, draft.at + Math.max(pause, 1));
}

/** Ends the attempt without judging its path. */
export function dropAttempt(draft: Draft, reason: string): void {
  const { attempt } = draft.agent;
  if (attempt === null) return;
  if (attempt.channelId !== null) ask(draft, { ask: "close", channelId: attempt.channelId, reason });
  change(draft, { attempt: null });
  unwake(draft, "attempt");
}

function waitUntil(draft: Draft, reason: string, until: number): void {
  const { waiting } = draft.agent;
  if (waiting?.reason !== reason || waiting.until !== until) tell(draft, "denied", reason, {}, { until });
  change(draft, { waiting: { reason, until } });
  wake(draft, "retry", until);
}

function isSeeking({ agent }: Draft): boolean {
  return agent.mode === "seeking" || agent.mode === "suspect" || agent.mode === "recovering";
}

function waitFor(draft: Draft): { readonly reason: string; readonly until: number } | undefined {
  const { agent, at } = draft;
  if (agent.waiting !== null && at < agent.waiting.until) return agent.waiting;
  // A channel that is gone leaves nothing to flap from; only one that is still open is given its time.
  const held = agent.mode === "suspect" ? cooldown(draft) : undefined;
  return held ?? (agent.session === null ? undefined : switchBound(draft));
}

function cooldown({
  agent,
  at,
  config,
}: Draft): { readonly reason: string; readonly until: number } | undefined {
  const until = (agent.lastSwitchAt ?? Number.NEGATIVE_INFINITY) + config.policy.cooldownMs;
  return at < until ? { reason: "COOLDOWN", until } : undefined;
}

function switchBound({
  agent,
  at,
  config,
}: Draft): { readonly reason: string; readonly until: number } | undefined {
  const recent = recentSwitches(agent, at);
  const blocking = recent[recent.length - config.policy.maxSwitchesPerMinute];
  return blocking === undefined
    ? undefined
    : { reason: "SWITCHES_EXCEEDED", until: blocking + SWITCH_WINDOW_MS };
}
