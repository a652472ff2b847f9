/**
 * When the client tries and over which path: rounds over the candidates in their order, within every bound.
 *
 * CL3. Nothing is tried before `waiting.until`, and nothing waits without a timer.
 * CL6. A round begins with one ranking, prepared while the session was well or asked for now; one that has not come at
 *     `asking.until` is made here, and the reason is kept.
 */
import type { JsonObject } from "@vnes/sdk";
import { type Bound, SWITCH_WINDOW_MS } from "@vnes/vpn-common";
import { open } from "./attempts.ts";
import type { ClientConfig } from "./config.ts";
import {
  ask,
  change,
  count,
  type Draft,
  healthOf,
  policyBound,
  recentSwitches,
  tell,
  wake,
} from "./draft.ts";
import { isHeldBack } from "./paths.ts";
import { nextPath, rank } from "./ranking.ts";
import { rankInput } from "./routing.ts";
import type { Agent, Choice, Heard, Ranking } from "./vocabulary.ts";

/** A ranking nobody waits for may take as long as a busy machine needs. */
const PREPARE_MS = 1_000;
/** The pause between rounds doubles up to this many times the first. */
const MAX_BACKOFF = 16;

/** Begins a round with a ranking or goes on with the one under way, or says what it waits for and sets the timer. */
export function begin(draft: Draft): void {
  const { agent, config, at } = draft;
  if (agent.attempt !== null || !isSeeking(draft) || isHeld(draft)) return;
  if (agent.tried.length > 0 || agent.isPrepared) return tryNext(draft);
  if (config.candidates.length === 1) return rankHere(draft, null);
  const { asking } = agent;
  if (asking !== null && asking.until <= at) return rankHere(draft, "CALL_TIMEOUT");
  const until = Math.min(asking?.until ?? Number.POSITIVE_INFINITY, at + config.policy.rankMs);
  if (asking === null) askRanking(draft, until);
  else change(draft, { asking: { ...asking, until } });
  wake(draft, "retry", until);
}

/** Asks while the session is well, so that trouble finds a ranking and waits for nobody. */
export function prepare(draft: Draft): void {
  const { agent, config, at } = draft;
  if (agent.asking === null && config.candidates.length > 1) askRanking(draft, at + PREPARE_MS);
}

function askRanking(draft: Draft, until: number): void {
  const { agent, config, at } = draft;
  const request = agent.requests + 1;
  change(draft, { asking: { request, until }, requests: request });
  ask(draft, { ask: "rank", request, input: rankInput(config, agent.paths, at), timeoutMs: until - at });
}

/** Routing's answer, or that it has none. */
export function onRanking(draft: Draft, heard: Extract<Heard, { heard: "ranked" | "rankFailed" }>): void {
  const { agent } = draft;
  if (agent.asking?.request !== heard.request) return count(draft, `late.${heard.heard}`);
  // A round keeps the ranking it began with; the next one asks with what this one taught.
  if (isSeeking(draft) && (agent.attempt !== null || agent.tried.length > 0)) {
    count(draft, `late.${heard.heard}`);
    return change(draft, { asking: null });
  }
  if (heard.heard === "rankFailed") return rankHere(draft, heard.code);
  takeRanking(draft, { at: draft.at, by: "routing", problem: null, ...heard.ranking });
}

function rankHere(draft: Draft, problem: string | null): void {
  const { agent, config, at } = draft;
  const places = rank(config.candidates, agent.paths, at);
  if (problem !== null) count(draft, `rank.${problem}`);
  takeRanking(draft, { at, by: "client", problem, geometry: null, places });
}

function takeRanking(draft: Draft, ranking: Ranking): void {
  change(draft, { asking: null, ranking, isPrepared: true });
  if (isSeeking(draft) && !isHeld(draft)) tryNext(draft);
}

function tryNext(draft: Draft): void {
  const { agent, config, at } = draft;
  const order = inOrder(agent, config, at);
  const { standby, tried } = agent;
  const isReady = standby !== null && !tried.includes(standby.pathId);
  const pathId = isReady
    ? standby.pathId
    : nextPath(order, tried, agent.lastPath, (one) => isHeldBack(healthOf(agent, one), at));
  if (pathId === undefined) {
    const pause = config.policy.retryMs * Math.min(2 ** agent.rounds, MAX_BACKOFF);
    change(draft, { tried: [], rounds: agent.rounds + 1 });
    const candidates = config.candidates.length;
    const bound = { bound: "candidates", limit: candidates, value: tried.length, unit: "paths" };
    const evidence = { until: at + pause, pauseMs: pause, rounds: agent.rounds + 1, tried, bound };
    return waitUntil(draft, "ROUND_FAILED", at + pause, evidence);
  }
  change(draft, { tried: [...tried, pathId], isPrepared: false, ...(isReady ? { standby: null } : {}) });
  const choice = choiceOf(draft, pathId, order, isReady);
  const channelId = isReady ? standby.channelId : null;
  open(draft, { pathId, asked: false, cause: agent.reason, choice, channelId });
}

/** The candidates as routing ranked them last, or as the client does now. */
export function inOrder(
  { ranking, paths }: Agent,
  { candidates }: ClientConfig,
  at: number,
): readonly string[] {
  const places = ranking?.by === "routing" ? ranking.places : rank(candidates, paths, at);
  return places.map(({ pathId }) => pathId);
}

export function choiceOf(
  { agent, at }: Draft,
  pathId: string,
  order: readonly string[],
  standby: boolean,
): Choice {
  const { by = "client", problem = null, geometry = null, places = [] } = agent.ranking ?? {};
  const ageMs = agent.ranking === null ? null : at - agent.ranking.at;
  const decidedBy = places.find((place) => place.pathId === pathId)?.decidedBy ?? null;
  const skipped = order.slice(0, order.indexOf(pathId));
  return { by, problem, ageMs, geometry, decidedBy, skipped, standby };
}

function isHeld(draft: Draft): boolean {
  const wait = waitFor(draft);
  if (wait !== undefined) waitUntil(draft, wait.reason, wait.until, evidenceOf(wait));
  return wait !== undefined;
}

/** What holds the client back, until when, and the number that says so where one does. */
export type Held = { readonly reason: string; readonly until: number; readonly bound?: Bound };

export function evidenceOf({ until, bound }: Held): JsonObject {
  return bound === undefined ? { until } : { until, bound };
}

/** Why a person's jump is refused now; undefined: it may begin. */
export function jumpRefusal(draft: Draft): Held | undefined {
  return cooldown(draft) ?? switchBound(draft);
}

export function waitUntil(
  draft: Draft,
  reason: string,
  until: number,
  evidence: JsonObject = { until },
): void {
  const { waiting } = draft.agent;
  if (waiting?.reason !== reason || waiting.until !== until) tell(draft, "denied", reason, {}, evidence);
  change(draft, { waiting: { reason, until } });
  wake(draft, "retry", until);
}

function isSeeking({ agent }: Draft): boolean {
  return agent.mode === "seeking" || agent.mode === "suspect" || agent.mode === "recovering";
}

function waitFor(draft: Draft): Held | undefined {
  const { agent, at } = draft;
  if (agent.waiting !== null && at < agent.waiting.until) return agent.waiting;
  // A channel that is gone leaves nothing to flap from; only one that is still open is given its time.
  const held = agent.mode === "suspect" ? cooldown(draft) : undefined;
  return held ?? (agent.session === null ? undefined : switchBound(draft));
}

function cooldown(draft: Draft): Held | undefined {
  const { agent, at, config } = draft;
  const { cooldownMs } = config.policy;
  if (agent.lastSwitchAt === null || at >= agent.lastSwitchAt + cooldownMs) return undefined;
  const bound = policyBound(draft, "cooldownMs", at - agent.lastSwitchAt);
  return { reason: "COOLDOWN", until: agent.lastSwitchAt + cooldownMs, bound };
}

/** How many of the switches that policy allows were made. */
export function switchesMet(draft: Draft): Bound {
  return policyBound(draft, "maxSwitchesPerMinute", recentSwitches(draft.agent, draft.at).length);
}

export function switchBound(draft: Draft): Held | undefined {
  const { agent, at, config } = draft;
  const recent = recentSwitches(agent, at);
  const blocking = recent[recent.length - config.policy.maxSwitchesPerMinute];
  if (blocking === undefined) return undefined;
  return { reason: "SWITCHES_EXCEEDED", until: blocking + SWITCH_WINDOW_MS, bound: switchesMet(draft) };
}
