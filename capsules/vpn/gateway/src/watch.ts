/**
 * Keeps sessions and transport telling the same story: reports of channels go to the session's owner, and because the
 * transport's events may be lost, its own list is asked for from time to time and compared.
 */
import type { Answer, Json, Turn } from "@vnes/sdk";
import type { Outcome } from "@vnes/vpn-common";
import { denyClient } from "./denials.ts";
import { isFull, type Bucket } from "./rate.ts";
import {
  allMirrors,
  boundSession,
  channelsHere,
  count,
  ENDED_MIRROR_MS,
  follow,
  forget,
  forgetHere,
  isElsewhere,
  loadConfig,
  loadMirror,
  type Mirror,
} from "./store.ts";
import * as transport from "./transport.ts";

const REPORT_TIMEOUT_MS = 2000;

export function report(
  turn: Turn,
  method: string,
  sessionId: string,
  channelId: string,
  evidence: Json,
): void {
  turn.call({
    capability: "vpn.session",
    method,
    input: { sessionId, channelId, evidence },
    tag: "reported",
    context: { method, sessionId, channelId },
    timeoutMs: REPORT_TIMEOUT_MS,
  });
}

export function reportLost(turn: Turn, sessionId: string, channelId: string, reason: string): void {
  report(turn, "transportLost", sessionId, channelId, { reason });
}

/** Whether the client's path does what its policy asks; told with every ping, so that one that is lost does no harm. */
export function reportQuality(
  turn: Turn,
  { sessionId, state, version, pathId }: Mirror,
  below: string | null,
): void {
  const isNews = below === null ? state === "DEGRADED" : state === "ATTACHED";
  if (!isNews) return;
  const method = below === null ? "restore" : "degrade";
  turn.call({
    capability: "vpn.session",
    method,
    input: { sessionId, expectedVersion: version, evidence: { pathId, below } },
    tag: "reported",
    context: { method, sessionId },
    timeoutMs: REPORT_TIMEOUT_MS,
  });
}

/** A report that was not heard is made again by the watch, which sees that the mirror still differs. */
export function onReported(turn: Turn, answer: Answer, data: Json): void {
  if (!answer.ok) return count(turn.keys, `session.${answer.code}`);
  const { outcome, reason, version, epoch } = answer.value as unknown as Outcome;
  if (outcome !== "rejected") return;
  count(turn.keys, `report.${reason}`);
  const { sessionId, channelId } = data as { readonly sessionId: string; readonly channelId?: string };
  const mirror = loadMirror(turn.keys, sessionId);
  if (reason !== "CHANNEL_NOT_BOUND" || channelId === undefined || mirror?.channelId !== channelId) return;
  // The event that says so was missed, as the first ones of another node's partition may be.
  if (!follow(turn.keys, { ...mirror, version, epoch, channelId: null, pathId: null, at: turn.at })) return;
  letGo(turn, mirror, epoch);
}

/** The session went on over another channel, or another node's gateway: what carried it here carries it no more. */
export function letGo(turn: Turn, { sessionId, peer, channelId }: Mirror, epoch: number): void {
  transport.setActive(turn, { peer, channelId: null, epoch, sessionId }, "deactivated", null);
  if (channelId === null) return;
  count(turn.keys, "movedAway");
  transport.close(turn, channelId, "REPLACED");
}

export function armWatch(turn: Turn): void {
  if (turn.keys.get("watch") === true) return;
  turn.keys.set("watch", true);
  turn.setTimer("watch", turn.at + loadConfig(turn.keys).watchMs);
}

export function onWatchDue(turn: Turn): void {
  turn.keys.set("watch", false);
  sweep(turn);
  const channels = channelsHere(turn.keys, turn.at).length;
  const mirrors = allMirrors(turn.keys);
  if (channels > 0 || mirrors.some(isLive)) transport.askStatus(turn);
  if (channels > 0 || mirrors.length > 0 || turn.keys.entries("rate/").length > 0) armWatch(turn);
}

type Listed = { readonly channelId: string; readonly silent: boolean; readonly active: boolean };

export function onWatched(turn: Turn, answer: Answer, data: Json): void {
  if (!answer.ok) return count(turn.keys, `status.${answer.code}`);
  const { askedAt } = data as { readonly askedAt: number };
  const { channels } = answer.value as unknown as { readonly channels: readonly Listed[] };
  const listed = new Map(channels.map((channel) => [channel.channelId, channel]));
  for (const channelId of channelsHere(turn.keys, askedAt)) {
    if (!listed.has(channelId)) forgetHere(turn.keys, channelId);
  }
  for (const mirror of allMirrors(turn.keys)) {
    // What was learned after the question may be newer than the list.
    if (!isLive(mirror) || mirror.channelId === null || mirror.at > askedAt) continue;
    const channel = listed.get(mirror.channelId);
    if (channel === undefined) {
      count(turn.keys, "watch.lost");
      reportLost(turn, mirror.sessionId, mirror.channelId, "NOT_LISTED");
      continue;
    }
    if (!channel.active) transport.setActive(turn, { ...mirror }, "deactivated", null);
    if (channel.silent && mirror.state !== "VOLATILE") {
      report(turn, "pathSilent", mirror.sessionId, mirror.channelId, { reason: "LISTED_SILENT" });
    } else if (!channel.silent && mirror.state === "VOLATILE") {
      report(turn, "pathAlive", mirror.sessionId, mirror.channelId, { reason: "LISTED_ALIVE" });
    }
  }
}

/** Whose a channel is that waits to carry a session, and which number of the configuration it waits for. */
type Waiting = { readonly peer: string; readonly pathId: string; readonly limit?: "unboundMs" | "standbyMs" };

/** How long a channel may be open from now without carrying a session. */
export function awaitBinding(
  turn: Turn,
  { channelId, peer, pathId }: { readonly channelId: string; readonly peer: string; readonly pathId: string },
  limit: "unboundMs" | "standbyMs",
): void {
  turn.setTimer(`unbound:${channelId}`, turn.at + loadConfig(turn.keys)[limit], { peer, pathId, limit });
}

/** A channel that has carried no session for too long is a place somebody holds for nothing. */
export function onUnboundDue(turn: Turn, payload: Json, id: string): void {
  const channelId = id.slice(id.indexOf(":") + 1);
  if (boundSession(turn.keys, channelId) !== undefined) return;
  transport.closeUnbound(turn, { channelId, waiting: payload as Waiting | null });
}

/**
 * Only a channel that was open is denied. One whose end was not heard of, or that a late ping made this capsule wait for
 * again, is closed already: the transport knows.
 */
export function onUnboundClosed(turn: Turn, answer: Answer, data: Json): void {
  if (!answer.ok) return count(turn.keys, `close.${answer.code}`);
  const { channelId, waiting } = data as { readonly channelId: string; readonly waiting: Waiting | null };
  if (!(answer.value as { readonly closed: boolean }).closed) {
    count(turn.keys, "unboundGone");
    return forgetHere(turn.keys, channelId);
  }
  count(turn.keys, "unboundClosed");
  // A timer that an earlier version set does not say whose channel it is.
  if (waiting === null) return;
  const { peer, pathId, limit: name = "unboundMs" } = waiting;
  const limit = loadConfig(turn.keys)[name];
  const bound = { bound: name, limit, value: limit, unit: "ms" };
  denyClient(turn, { peer, pathId, channelId }, "hold", "UNBOUND", { bound });
}

function sweep(turn: Turn): void {
  const { requestsPerMinute } = loadConfig(turn.keys);
  for (const mirror of allMirrors(turn.keys)) {
    const isGone = !isLive(mirror) || isElsewhere(mirror);
    if (isGone && turn.at - mirror.at > ENDED_MIRROR_MS) forget(turn.keys, mirror.sessionId);
  }
  for (const [key, bucket] of turn.keys.entries("rate/")) {
    if (isFull(bucket as Bucket, requestsPerMinute, turn.at)) turn.keys.delete(key);
  }
}

export function isLive(mirror: Mirror): boolean {
  return mirror.state !== "TERMINATED";
}
