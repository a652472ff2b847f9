/**
 * Pings over one channel: some of full size, then, so that the reason is known, small ones. Each has a nonce and a round trip
 * of its own, so an answer that comes late is never taken for that of the next.
 */
import { type Bound, clientFrames as frames } from "@vnes/vpn-common";
import { ask, change, type Draft, healthOf, policyBound, unwake, wake } from "./draft.ts";
import { measure, trust } from "./paths.ts";
import { judge, type Outcome, problemOf } from "./quality.ts";
import type { Check } from "./vocabulary.ts";

/** Three that are lost in a row are a path that does not carry them, not weather. */
const LARGE_PINGS = 3;
const MAX_PINGS = 5;

/** Sends the next one and sets the timer for its answer. */
export function askNext(draft: Draft, check: Check, timer: "ping" | "probe"): Check {
  const { agent, config, at, nonce } = draft;
  const { answerMs, pingBytes } = config.policy;
  const isLarge = pingBytes > 0 && check.pings.length < LARGE_PINGS;
  const size = isLarge ? pingBytes : 0;
  const frame = frames.ping(nonce, agent.session?.id ?? "", size, agent.quality.reason, agent.quality.met);
  ask(draft, { ask: "send", attempt: 0, channelId: check.channelId, frame, padTo: size });
  // A path known to be slow is given its time.
  const { latencyMs } = healthOf(agent, check.pathId);
  wake(draft, timer, at + Math.max(answerMs, Math.ceil(2 * (latencyMs ?? 0))));
  return { ...check, pings: [...check.pings, { nonce, at, isLarge }] };
}

/** As many as are asked, none of them answered; or of those of full size. */
export function pingsMet({ pings }: Check, reason: "NO_ANSWER" | "LARGE_FRAMES_LOST"): Bound {
  if (reason === "NO_ANSWER") return { bound: "pings", limit: MAX_PINGS, value: pings.length, unit: "pings" };
  const large = pings.filter((one) => one.isLarge).length;
  return { bound: "largePings", limit: LARGE_PINGS, value: large, unit: "pings" };
}

export function isExhausted({ pings }: Check): boolean {
  return pings.length >= MAX_PINGS;
}

/** The answer with this nonce came: what it and those before it say of the path. Undefined: it is none of these. */
export function takeAnswer(draft: Draft, check: Check, nonce: string): Outcome | undefined {
  const ping = check.pings.find((one) => one.nonce === nonce);
  if (ping === undefined) return undefined;
  const { pathId, pings } = check;
  for (let lost = pings.indexOf(ping); lost > 0; lost--) note(draft, pathId, "unanswered", null);
  const rttMs = draft.at - ping.at;
  const outcome = ping.isLarge || !pings.some((one) => one.isLarge) ? "answered" : "small";
  if (outcome === "answered") trust(draft, pathId);
  note(draft, pathId, outcome, rttMs);
  // The clock has whole milliseconds: what took none took less than one.
  ask(draft, { ask: "sample", pathId, rttMs: Math.max(Math.min(rttMs, MAX_SAMPLE_MS), 1) });
  return outcome;
}

const MAX_SAMPLE_MS = 60_000;

/** None of them was answered. */
export function takeSilence(draft: Draft, { pathId, pings }: Check): void {
  for (const _ of pings) note(draft, pathId, "unanswered", null);
}

/** One ping's outcome: for the path's values, and for the quality of the active one. */
function note(draft: Draft, pathId: string, outcome: Outcome, rttMs: number | null): void {
  // In trouble nobody expects an answer; its lack says nothing of what the path is like when it works.
  if (outcome === "unanswered" && draft.agent.mode !== "steady") return;
  measure(draft, pathId, rttMs);
  const { active, quality } = draft.agent;
  if (active?.pathId !== pathId) return;
  const problem = problemOf(outcome, healthOf(draft.agent, pathId), draft.config.policy);
  const next = judge(quality, problem, draft.config.policy);
  const isOver = quality.isBelow && !next.isBelow;
  const met = isOver || (next.isBelow && problem !== null) ? qualityMet(draft, pathId, problem) : quality.met;
  change(draft, { quality: { ...next, ...(met === undefined ? {} : { met }) } });
}

/** The number behind it: what the path measures, or how many of the last pings agreed. */
function qualityMet(draft: Draft, pathId: string, problem: string | null): Bound {
  const { lossPercent, latencyMs } = healthOf(draft.agent, pathId);
  const { belowPings, ofPings } = draft.config.policy;
  switch (problem) {
    case "LOSS_ABOVE_POLICY":
      return policyBound(draft, "maxLossPercent", lossPercent ?? 0);
    case "LATENCY_ABOVE_POLICY":
      return policyBound(draft, "maxLatencyMs", latencyMs ?? 0);
    case null:
      return policyBound(draft, "ofPings", ofPings);
    default:
      return policyBound(draft, "belowPings", belowPings);
  }
}

export function dropCheck(draft: Draft): void {
  if (draft.agent.check === null) return;
  change(draft, { check: null });
  unwake(draft, "ping");
}
