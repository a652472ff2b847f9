/**
 * Keeps sessions and transport telling the same story: reports of channels go to the session's owner, and because the
 * transport's events may be lost, its own list is asked for from time to time and compared.
 */
import type { Answer, Json, Turn } from "@vnes/sdk";
import { isFull, type Bucket } from "./rate.ts";
import {
  allMirrors,
  boundSession,
  count,
  ENDED_MIRROR_MS,
  forget,
  loadConfig,
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
export function onReported(turn: Turn, answer: Answer): void {
  if (!answer.ok) return count(turn.keys, `session.${answer.code}`);
  const { outcome, reason } = answer.value as { readonly outcome: string; readonly reason: string };
  if (outcome === "rejected") count(turn.keys, `report.${reason}`);
}

export function armWatch(turn: Turn): void {
  if (turn.keys.get("watch") === true) return;
  turn.keys.set("watch", true);
  turn.setTimer("watch", turn.at + loadConfig(turn.keys).watchMs);
}

export function onWatchDue(turn: Turn): void {
  turn.keys.set("watch", false);
  sweep(turn);
  if (allMirrors(turn.keys).some(isLive)) transport.askStatus(turn);
  if (allMirrors(turn.keys).length > 0 || turn.keys.entries("rate/").length > 0) armWatch(turn);
}

type Listed = { readonly channelId: string; readonly silent: boolean; readonly active: boolean };

export function onWatched(turn: Turn, answer: Answer, data: Json): void {
  if (!answer.ok) return count(turn.keys, `status.${answer.code}`);
  const { askedAt } = data as { readonly askedAt: number };
  const { channels } = answer.value as unknown as { readonly channels: readonly Listed[] };
  const listed = new Map(channels.map((channel) => [channel.channelId, channel]));
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

/** A channel that has carried no session for too long is a place somebody holds for nothing. */
export function onUnboundDue(turn: Turn, _payload: Json, id: string): void {
  const channelId = id.slice(id.indexOf(":") + 1);
  if (boundSession(turn.keys, channelId) !== undefined) return;
  count(turn.keys, "unboundClosed");
  transport.close(turn, channelId, "UNBOUND");
}

function sweep(turn: Turn): void {
  const { requestsPerMinute } = loadConfig(turn.keys);
  for (const mirror of allMirrors(turn.keys)) {
    if (!isLive(mirror) && turn.at - mirror.at > ENDED_MIRROR_MS) forget(turn.keys, mirror.sessionId);
  }
  for (const [key, bucket] of turn.keys.entries("rate/")) {
    if (isFull(bucket as Bucket, requestsPerMinute, turn.at)) turn.keys.delete(key);
  }
}

export function isLive(mirror: Mirror): boolean {
  return mirror.state !== "TERMINATED";
}
