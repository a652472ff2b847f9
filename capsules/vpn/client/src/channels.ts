/** What the transport reports of channels, and what it lists: each belongs to the active one, an attempt, a probe, the standby, or nobody. */
import type { JsonObject } from "@vnes/sdk";
import { type Bound, silenceMet } from "@vnes/vpn-common";
import { failAttempt } from "./attempts.ts";
import { ask, count, type Draft } from "./draft.ts";
import { cleared, loseActive, suspect } from "./health.ts";
import { isSideChannel, onSideChannel } from "./probes.ts";
import { begin } from "./rounds.ts";
import type { Heard } from "./vocabulary.ts";

export function onChannelOpened(draft: Draft, channelId: string): void {
  const { active, attempt, probe } = draft.agent;
  // While an attempt or a probe opens, this may be its channel; its own answer tells.
  const isOpening = attempt?.stage === "opening" || (probe !== null && probe.check === null);
  const isKnown = active?.channelId === channelId || attempt?.channelId === channelId;
  if (isKnown || isOpening || isSideChannel(draft.agent, channelId)) return;
  count(draft, "orphan");
  ask(draft, { ask: "close", channelId, reason: "NOT_WANTED" });
}

/** The path of a channel is silent, or the system has no way over it. */
export function onPathTrouble(
  draft: Draft,
  channelId: string,
  reason: "PATH_SILENT" | "SEND_FAILED",
  evidence: JsonObject & { readonly bound?: Bound },
): void {
  const { active, attempt, mode } = draft.agent;
  const { bound } = evidence;
  if (attempt?.channelId === channelId) return failAttempt(draft, reason, bound);
  if (onSideChannel(draft, channelId, reason, bound)) return;
  if (active?.channelId !== channelId || mode !== "steady") return;
  suspect(draft, reason, evidence);
  begin(draft);
}

/** It was silent or refused, and is not any more; of other doubts this says nothing. */
export function onPathAlive(draft: Draft, channelId: string): void {
  if (draft.agent.active?.channelId === channelId && isOfTransport(draft)) cleared(draft, "PATH_ALIVE");
}

export function onChannelClosed(draft: Draft, heard: Extract<Heard, { heard: "channelClosed" }>): void {
  const { active, attempt } = draft.agent;
  const { channelId, reason, silentMs, limitMs } = heard;
  const { bound } = silenceMet("deadMs", silentMs, limitMs);
  if (attempt?.channelId === channelId) return failAttempt(draft, "CHANNEL_CLOSED", bound);
  if (onSideChannel(draft, channelId, "CHANNEL_CLOSED", bound)) return;
  if (active?.channelId !== channelId) return;
  loseActive(draft, "CHANNEL_CLOSED", reason, bound);
  begin(draft);
}

/** The events of the transport may be lost; its own list may not. */
export function onListed(draft: Draft, { askedAt, channels }: Extract<Heard, { heard: "listed" }>): void {
  const { active, mode, standby } = draft.agent;
  if (standby !== null && standby.checkedAt <= askedAt) {
    const beside = channels.find((channel) => channel.channelId === standby.channelId);
    if (beside === undefined) onSideChannel(draft, standby.channelId, "CHANNEL_NOT_LISTED");
    else if (beside.silent) onSideChannel(draft, standby.channelId, "PATH_SILENT");
  }
  if (active === null || active.since > askedAt) return;
  const listed = channels.find((channel) => channel.channelId === active.channelId);
  if (listed === undefined) {
    loseActive(draft, "CHANNEL_NOT_LISTED");
    return begin(draft);
  }
  if (listed.silent && mode === "steady") {
    suspect(draft, "PATH_SILENT", { silentMs: null, direction: null });
    return begin(draft);
  }
  if (!listed.silent && isOfTransport(draft)) cleared(draft, "PATH_ALIVE");
}

/** Whether the client is in doubt only because the transport was. */
function isOfTransport({ agent: { mode, reason } }: Draft): boolean {
  return mode === "suspect" && (reason === "PATH_SILENT" || reason === "SEND_FAILED");
}
