/**
 * The active channel while the session is well: asked from time to time whether it still carries the session both ways, and at
 * once where there is reason to doubt it.
 */
import type { JsonObject } from "@vnes/sdk";
import { metBy } from "@vnes/vpn-common";
import { ask, change, count, type Draft, healthOf, tell, wake } from "./draft.ts";
import { cleared, inTrouble, suspect } from "./health.ts";
import { forgive } from "./paths.ts";
import { askNext, dropCheck, isExhausted, takeAnswer, takeSilence } from "./pings.ts";
import { soon } from "./probes.ts";
import { begin } from "./rounds.ts";

/** A timer so late is no busy machine: it slept, or was stopped. */
export const LATE_MS = 5_000;

/** Begins to ask, unless it does already. */
export function checkActive(draft: Draft): void {
  const { active, session, check } = draft.agent;
  if (active === null || session === null || check !== null) return;
  const { channelId, pathId } = active;
  change(draft, { check: askNext(draft, { channelId, pathId, pings: [] }, "ping") });
}

export function onPingDue(draft: Draft): void {
  const { check, active } = draft.agent;
  if (check === null || check.channelId !== active?.channelId) return change(draft, { check: null });
  if (!isExhausted(check)) return change(draft, { check: askNext(draft, check, "ping") });
  const was = draft.agent.quality.isBelow;
  change(draft, { check: null });
  takeSilence(draft, check);
  // The driver may know by now that the channel is silent, and its word may have been lost.
  ask(draft, { ask: "list" });
  sayQuality(draft, was);
}

/** The gateway answered a ping over the active channel. */
export function onActiveAnswer(draft: Draft, nonce: string): void {
  const { check, quality } = draft.agent;
  const outcome = check === null ? undefined : takeAnswer(draft, check, nonce);
  if (outcome === undefined) return count(draft, "late.pong");
  dropCheck(draft);
  if (draft.agent.mode === "suspect") cleared(draft, "PING_ANSWERED");
  sayQuality(draft, quality.isBelow);
}

/** Said when it changes, and to the gateway with the next ping, which goes out now. */
function sayQuality(draft: Draft, was: boolean): void {
  const { active, quality, mode, paths } = draft.agent;
  if (quality.isBelow === was || active === null) return;
  const { maxLossPercent, maxLatencyMs, belowPings, ofPings } = draft.config.policy;
  const { lossPercent, latencyMs } = healthOf({ paths }, active.pathId);
  const evidence = { lossPercent, maxLossPercent, latencyMs, maxLatencyMs, belowPings, ofPings };
  const reason = quality.reason ?? "POLICY_MET";
  const met = { ...evidence, ...metBy(quality.met) };
  tell(draft, quality.isBelow ? "degraded" : "restored", reason, { path: active.pathId }, met);
  checkActive(draft);
  if (quality.isBelow && mode === "steady") soon(draft);
}

/** The machine slept, or nobody ran this capsule: what it knew is that old. */
export function onSlept(draft: Draft, lateMs: number): void {
  const { mode, troubleSince } = draft.agent;
  count(draft, "slept");
  change(draft, { awakeAt: draft.at });
  forgive(draft);
  const bound = { bound: "lateMs", limit: LATE_MS, value: lateMs, unit: "ms" };
  if (mode === "steady") return doubt(draft, "SLEPT", { lateMs, bound });
  if (troubleSince === null) return;
  // The window counts the time in which something could be tried.
  change(draft, { troubleSince: troubleSince + lateMs });
  inTrouble(draft, mode, draft.agent.reason);
}

export function onAddressesChanged(draft: Draft, gone: readonly string[], came: readonly string[]): void {
  const { mode, attempt } = draft.agent;
  count(draft, "addressesChanged");
  forgive(draft);
  if (mode === "steady") return doubt(draft, "ADDRESSES_CHANGED", { gone, came });
  if (mode === "ended" || attempt !== null) return;
  // Another network is another chance: the pause after a failed round is for one that stays as it is.
  if (draft.agent.waiting?.reason === "ROUND_FAILED") change(draft, { waiting: null });
  begin(draft);
}

/** Asks the active channel at once, and tries another path unless it answers. */
function doubt(draft: Draft, reason: string, evidence: JsonObject): void {
  suspect(draft, reason, evidence);
  checkActive(draft);
  const until = draft.at + draft.config.policy.answerMs;
  change(draft, { waiting: { reason: "CHECKING", until } });
  wake(draft, "retry", until);
}
