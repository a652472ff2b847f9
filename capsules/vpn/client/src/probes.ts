/**
 * Looks at the paths that carry nothing, one at a time and far apart: a channel, a ping of full size, and the channel is closed
 * again or kept as the standby.
 *
 * CL7. At most one probe exists, and none while an attempt does or the session is in trouble.
 */
import { type Bound, metBy } from "@vnes/vpn-common";
import { open } from "./attempts.ts";
import { ask, change, count, type Draft, forgetTimer, healthOf, tell, unwake, wake } from "./draft.ts";
import { blame, isHeldBack, learn } from "./paths.ts";
import { askNext, isExhausted, pingsMet, takeAnswer, takeSilence } from "./pings.ts";
import { problemOf } from "./quality.ts";
import { choiceOf, evidenceOf, inOrder, jumpRefusal } from "./rounds.ts";
import type { Agent, Probe } from "./vocabulary.ts";

/** A standby is looked at every second time at least. */
const STANDBY_SHARE = 2;

/** Sets the timer of the next one, unless it is set, or there is none. */
export function armProbe(draft: Draft): void {
  const { agent, config, at } = draft;
  const { probeMs } = config.policy;
  if (probeMs === 0 || config.candidates.length < 2 || agent.probe !== null) return;
  if (agent.timers.probe === undefined) wake(draft, "probe", at + probeMs);
}

/** The next one is wanted now: the active path is below policy. */
export function soon(draft: Draft): void {
  const { agent, config, at } = draft;
  if (config.policy.probeMs === 0 || config.candidates.length < 2 || agent.probe !== null) return;
  wake(draft, "probe", at);
}

export function onProbeDue(draft: Draft): void {
  const { agent } = draft;
  if (agent.mode !== "steady" || agent.attempt !== null) return;
  const { probe } = agent;
  if (probe === null) return start(draft);
  // While its channel opens the transport answers.
  if (probe.check === null) return;
  if (!isExhausted(probe.check))
    return change(draft, { probe: { ...probe, check: askNext(draft, probe.check, "probe") } });
  takeSilence(draft, probe.check);
  failProbe(draft, probe, "NO_ANSWER", pingsMet(probe.check, "NO_ANSWER"));
}

function start(draft: Draft): void {
  const { agent } = draft;
  const pathId = nextProbe(draft);
  if (pathId === undefined) return armProbe(draft);
  const id = agent.attempts + 1;
  change(draft, { attempts: id });
  if (agent.standby?.pathId === pathId) {
    const check = askNext(draft, { channelId: agent.standby.channelId, pathId, pings: [] }, "probe");
    return change(draft, { probe: { id, pathId, check } });
  }
  change(draft, { probe: { id, pathId, check: null } });
  ask(draft, { ask: "open", attempt: id, pathId });
}

/** Of the other paths the one that was not looked at for longest; the standby is looked at more often. */
function nextProbe({ agent, config, at }: Draft): string | undefined {
  const { standby, active } = agent;
  const isStandbyDue =
    standby !== null && standby.checkedAt + (STANDBY_SHARE - 1) * config.policy.probeMs < at;
  if (isStandbyDue) return standby.pathId;
  const probedAt = (pathId: string): number => healthOf(agent, pathId).probedAt ?? Number.NEGATIVE_INFINITY;
  const others = inOrder(agent, config, at).filter(
    (pathId) =>
      pathId !== active?.pathId && pathId !== standby?.pathId && !isHeldBack(healthOf(agent, pathId), at),
  );
  const oldest = Math.min(...others.map(probedAt));
  return others.find((pathId) => probedAt(pathId) === oldest) ?? standby?.pathId;
}

export function onProbeOpened(draft: Draft, probe: Probe, channelId: string): void {
  const check = askNext(draft, { channelId, pathId: probe.pathId, pings: [] }, "probe");
  change(draft, { probe: { ...probe, check } });
}

/** `mayStay`: whether the gateway keeps the channel open for a standby. */
export function onProbeAnswer(draft: Draft, probe: Probe, nonce: string, mayStay: boolean): void {
  const { check, pathId } = probe;
  const { lastFailure } = healthOf(draft.agent, pathId);
  const outcome = check === null ? undefined : takeAnswer(draft, check, nonce);
  if (check === null || outcome === undefined) return count(draft, "late.pong");
  if (outcome === "small")
    return failProbe(draft, probe, "LARGE_FRAMES_LOST", pingsMet(check, "LARGE_FRAMES_LOST"));
  finish(draft, probe);
  const { latencyMs, lossPercent } = healthOf(draft.agent, pathId);
  if (lastFailure !== null)
    tell(draft, "pathAnswered", "PING_ANSWERED", { path: pathId }, { latencyMs, lossPercent, lastFailure });
  const { channelId } = check;
  if (leave(draft, pathId, channelId)) return;
  keepOrClose(draft, pathId, channelId, mayStay);
  armProbe(draft);
}

/** The path does not work: held back, and said unless it is known. */
export function failProbe(draft: Draft, probe: Probe, reason: string, bound?: Bound | null): void {
  const { pathId } = probe;
  const known = healthOf(draft.agent, pathId).lastFailure;
  blame(draft, pathId, reason);
  const { failures, retryAt } = healthOf(draft.agent, pathId);
  if (known !== reason) {
    const evidence = { by: "probe", failures, retryAt, ...metBy(bound) };
    tell(draft, "pathFailed", reason, { path: pathId }, evidence);
  }
  endProbe(draft, probe, reason);
  if (draft.agent.quality.isBelow) soon(draft);
  else armProbe(draft);
}

/** Ends the probe without judging its path. */
export function dropProbe(draft: Draft, reason: string): void {
  const { probe } = draft.agent;
  if (probe !== null) endProbe(draft, probe, reason);
  else unwake(draft, "probe");
}

function endProbe(draft: Draft, probe: Probe, reason: string): void {
  const channelId = probe.check?.channelId;
  finish(draft, probe);
  if (channelId !== undefined && channelId === draft.agent.standby?.channelId) dropStandby(draft, reason);
  else if (channelId !== undefined) ask(draft, { ask: "close", channelId, reason });
}

function finish(draft: Draft, { pathId }: Probe): void {
  change(draft, { probe: null });
  if (draft.agent.timers.probe !== undefined) unwake(draft, "probe");
  forgetTimer(draft, "probe");
  learn(draft, pathId, { probedAt: draft.at });
}

/** From a path below policy to one that is proven not to be, within cooldown and bound. Whether it goes. */
function leave(draft: Draft, pathId: string, channelId: string): boolean {
  const { agent, config, at } = draft;
  const { quality } = agent;
  if (!quality.isBelow || problemOf("answered", healthOf(agent, pathId), config.policy) !== null)
    return false;
  const held = jumpRefusal(draft);
  if (held !== undefined) {
    tell(draft, "denied", held.reason, { path: pathId }, { ...evidenceOf(held), cause: quality.reason });
    return false;
  }
  const isStandby = agent.standby?.channelId === channelId;
  if (isStandby) change(draft, { standby: null });
  const choice = choiceOf(draft, pathId, inOrder(agent, config, at), isStandby);
  open(draft, { pathId, asked: true, cause: quality.reason ?? "POLICY_MET", choice, channelId });
  return true;
}

function keepOrClose(draft: Draft, pathId: string, channelId: string, mayStay: boolean): void {
  const { agent, config, at } = draft;
  const { standby } = agent;
  const order = inOrder(agent, config, at);
  const isBetter = standby === null || order.indexOf(pathId) <= order.indexOf(standby.pathId);
  if (config.policy.standbys === 0 || !isBetter || !mayStay) {
    if (standby?.channelId === channelId) return dropStandby(draft, "PROBED");
    return ask(draft, { ask: "close", channelId, reason: "PROBED" });
  }
  if (standby !== null && standby.channelId !== channelId) dropStandby(draft, "REPLACED");
  change(draft, { standby: { channelId, pathId, checkedAt: at } });
}

export function dropStandby(draft: Draft, reason: string): void {
  const { standby } = draft.agent;
  if (standby === null) return;
  ask(draft, { ask: "close", channelId: standby.channelId, reason });
  change(draft, { standby: null });
}

/** Something was heard of a channel that is neither active nor of an attempt. Whether it was the probe's or the standby's. */
export function onSideChannel(
  draft: Draft,
  channelId: string,
  reason: string,
  bound?: Bound | null,
): boolean {
  const { probe, standby } = draft.agent;
  if (probe?.check?.channelId === channelId) {
    failProbe(draft, probe, reason, bound);
    return true;
  }
  if (standby?.channelId !== channelId) return false;
  blame(draft, standby.pathId, reason);
  tell(draft, "pathFailed", reason, { path: standby.pathId }, { by: "standby", ...metBy(bound) });
  dropStandby(draft, reason);
  return true;
}

export function isSideChannel({ probe, standby }: Agent, channelId: string): boolean {
  return probe?.check?.channelId === channelId || standby?.channelId === channelId;
}
