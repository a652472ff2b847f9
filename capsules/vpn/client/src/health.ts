/**
 * Trouble, its clock and its end: how the client goes from a session that is well to one that must be reattached, and
 * from there either back or to an explicit end.
 */
import { type Bound, metBy } from "@vnes/vpn-common";
import { dropAttempt } from "./attempts.ts";
import { ask, change, type Draft, policyBound, tell, unwake, wake } from "./draft.ts";
import { blame } from "./paths.ts";
import { dropCheck } from "./pings.ts";
import { dropProbe, dropStandby } from "./probes.ts";
import type { JsonObject } from "@vnes/sdk";
import type { Mode } from "./vocabulary.ts";

/** The recovery window opens at the first sign of trouble and is not moved by the next. */
export function inTrouble(draft: Draft, mode: Mode, reason: string): void {
  const troubleSince = draft.agent.troubleSince ?? draft.at;
  dropProbe(draft, reason);
  change(draft, { mode, reason, troubleSince });
  wake(draft, "recovery", windowEnd(draft) ?? draft.at);
}

/** When the window closes; null while the session is well. */
export function windowEnd({ agent, config }: Draft): number | null {
  if (agent.troubleSince === null) return null;
  const { recoveryMs, connectMs } = config.policy;
  return agent.troubleSince + (agent.session === null ? connectMs : recoveryMs);
}

/** Of these the path is to blame; of the others only that the client does not know. */
const OF_THE_PATH = ["PATH_SILENT", "SEND_FAILED", "CHANNEL_CLOSED", "CHANNEL_NOT_LISTED"];

export function suspect(draft: Draft, reason: string, evidence: JsonObject): void {
  const path = draft.agent.active?.pathId ?? null;
  if (path !== null && OF_THE_PATH.includes(reason)) blame(draft, path, reason);
  dropCheck(draft);
  inTrouble(draft, "suspect", reason);
  tell(draft, "suspected", reason, { path }, evidence);
}

/** The active channel works after all. An attempt that has not asked yet is given up; one that has is decided there. */
export function cleared(draft: Draft, reason: string): void {
  const { active, attempt, troubleSince } = draft.agent;
  if (attempt !== null && attempt.stage === "opening" && !attempt.asked) dropAttempt(draft, reason);
  change(draft, {
    mode: "steady",
    reason,
    troubleSince: null,
    tried: [],
    rounds: 0,
    asking: null,
    waiting: null,
  });
  unwake(draft, "recovery", "retry");
  const evidence = { troubleMs: troubleSince === null ? null : draft.at - troubleSince };
  tell(draft, "cleared", reason, { path: active?.pathId ?? null }, evidence);
}

export function loseActive(
  draft: Draft,
  reason: string,
  detail: string | null = null,
  bound: Bound | null = null,
): void {
  const { active, mode, waiting } = draft.agent;
  const path = active?.pathId ?? null;
  // What is suspected already has counted against the path.
  if (path !== null && mode === "steady" && OF_THE_PATH.includes(reason)) blame(draft, path, reason);
  dropCheck(draft);
  change(draft, { active: null, waiting: waiting?.reason === "CHECKING" ? null : waiting });
  inTrouble(draft, "recovering", reason);
  unwake(draft, "watch");
  tell(draft, "lost", reason, { path }, { detail, ...metBy(bound) });
}

/** The window that closed, where one did. */
function windowMet(draft: Draft, reason: string): { readonly bound?: Bound } {
  const { agent, at } = draft;
  if (agent.troubleSince === null) return {};
  const waited = at - agent.troubleSince;
  if (reason === "RECOVERY_EXPIRED") return { bound: policyBound(draft, "recoveryMs", waited) };
  return reason === "CONNECT_EXPIRED" ? { bound: policyBound(draft, "connectMs", waited) } : {};
}

/**
 * The explicit end, and the number that decided where the gateway gave one. What follows is a person's decision, or the configuration's `renew`.
 */
export function end(draft: Draft, reason: string, bound: Bound | null = null): void {
  const { active, session, mode, troubleSince } = draft.agent;
  const evidence = {
    mode,
    troubleMs: troubleSince === null ? null : draft.at - troubleSince,
    ...metBy(bound),
    ...windowMet(draft, reason),
  };
  dropAttempt(draft, reason);
  dropCheck(draft);
  dropProbe(draft, reason);
  dropStandby(draft, reason);
  if (active !== null) ask(draft, { ask: "close", channelId: active.channelId, reason });
  if (session !== null) {
    ask(draft, { ask: "setActive", channelId: null, epoch: session.epoch, sessionId: session.id });
  }
  change(draft, {
    mode: "ended",
    reason,
    active: null,
    troubleSince: null,
    tried: [],
    rounds: 0,
    asking: null,
    waiting: null,
  });
  unwake(draft, "attempt", "retry", "recovery", "watch");
  tell(draft, "ended", reason, { path: active?.pathId ?? null }, evidence);
  if (draft.config.renew && reason !== "CLIENT_CLOSED")
    wake(draft, "renew", draft.at + draft.config.renewDelayMs);
}
