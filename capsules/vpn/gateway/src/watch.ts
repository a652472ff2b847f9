/**
 * Keeps sessions and transport telling the same story: reports of channels go to the session's owner, and because the
 * transport's events may be lost, it is asked about every channel from time to time and its answer compared. That is a walk
 * of many turns where there are many sessions, each of which costs the same.
 */
import type { Answer, Json, JsonObject, Keys, Turn } from "@vnes/sdk";
import { type Bound, metBy, type Outcome } from "@vnes/vpn-common";
import { admission, type GatewayConfig } from "./config.ts";
import { denyClient } from "./denials.ts";
import { LISTS, pagesOf, removeAll, sizeOf, wholeWalk } from "./lists.ts";
import { type Bucket, isFull } from "./rate.ts";
import {
  boundSession,
  count,
  ENDED_MIRROR_MS,
  firstRound,
  follow,
  forgetHere,
  gatherChannels,
  isElsewhere,
  isQuietHere,
  loadConfig,
  loadDraining,
  loadMirror,
  loadWatch,
  type Mirror,
  type Round,
  roundPage,
  saveWatch,
} from "./store.ts";
import * as transport from "./transport.ts";

const REPORT_TIMEOUT_MS = 2000;
/** Between two pages of the watch, at least: a hundredth of the gateway's time however many sessions there are. */
const PAGE_MS = 100;

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

export function reportLost(
  turn: Turn,
  sessionId: string,
  channelId: string,
  reason: string,
  evidence: JsonObject = {},
): void {
  report(turn, "transportLost", sessionId, channelId, { reason, ...evidence });
}

/** Whether the client's path does what its policy asks; told with every ping, so that one that is lost does no harm. */
export function reportQuality(
  turn: Turn,
  { sessionId, state, version, pathId }: Mirror,
  { below, bound }: { readonly below: string | null; readonly bound?: Bound },
): void {
  const isNews = below === null ? state === "DEGRADED" : state === "ATTACHED";
  if (!isNews) return;
  const method = below === null ? "restore" : "degrade";
  turn.call({
    capability: "vpn.session",
    method,
    input: { sessionId, expectedVersion: version, evidence: { pathId, below, ...metBy(bound) } },
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
  if (loadWatch(turn.keys) === "off") setWatch(turn, "set");
}

/** At the start of an activation: the first page at once, and whoever is not admitted any more is let go of on the way. */
export function beginWatch(turn: Turn): void {
  watchPage(turn, firstRound(turn.keys));
}

export function onWatchDue(turn: Turn): void {
  const watch = loadWatch(turn.keys);
  watchPage(turn, typeof watch === "object" ? watch : { ...wholeWalk(turn.keys), isFirst: false });
}

/** A page of everything is swept, and the transport asked about the channels in it; the next one is for the next turn. */
function watchPage(turn: Turn, round: Round): void {
  const { keys, at } = turn;
  const config = loadConfig(keys);
  const { page, next } = roundPage(keys, round);
  const mirrors = (page.mirror ?? []).map(([, mirror]) => mirror as Mirror);
  if (round.isFirst) turnAway(turn, config, mirrors);
  if (loadDraining(keys) !== null) empty(turn, mirrors);
  const gone = mirrors.filter((mirror) => isGone(mirror, at));
  removeAll(
    keys,
    "mirror",
    gone.map(({ sessionId }) => sessionId),
  );
  const full = (page.rate ?? []).filter(([, bucket]) =>
    isFull(bucket as Bucket, config.requestsPerMinute, at),
  );
  removeAll(
    keys,
    "rate",
    full.map(([peer]) => peer),
  );
  const channels = new Set([
    ...(page.here ?? []).flatMap(([channelId, heard]) => ((heard["at"] as number) < at ? [channelId] : [])),
    ...mirrors.flatMap((mirror) => (isLive(mirror) && mirror.channelId !== null ? [mirror.channelId] : [])),
  ]);
  // Their end is on its way here already.
  if (round.isFirst && loadDraining(keys) !== null)
    for (const { channelId } of mirrors) if (channelId !== null) channels.delete(channelId);
  if (channels.size > 0) transport.askChannels(turn, [...channels]);
  if (next !== null) return setWatch(turn, next);
  if (LISTS.some((list) => sizeOf(keys, list) > 0)) return setWatch(turn, "set");
  saveWatch(keys, "off");
}

/**
 * A walk takes `watchMs`, whatever there is; where that would be too many turns, longer. The first one is as fast as may be:
 * until it has come by, a session whose channel ended while nobody listened is taken for attached.
 */
function setWatch(turn: Turn, watch: "set" | Round): void {
  saveWatch(turn.keys, watch);
  const { watchMs } = loadConfig(turn.keys);
  const shortest = Math.min(PAGE_MS, watchMs);
  const isFirst = watch !== "set" && watch.isFirst;
  const pause = isFirst ? shortest : Math.max(shortest, Math.floor(watchMs / pagesOf(turn.keys)));
  turn.setTimer("watch", turn.at + pause);
}

function turnAway(turn: Turn, config: GatewayConfig, mirrors: readonly Mirror[]): void {
  const isIn = admission(config);
  for (const mirror of mirrors) {
    const { sessionId, peer } = mirror;
    if (!isLive(mirror) || isIn(peer)) continue;
    const evidence = { why: "PEER_NOT_ADMITTED" };
    const input = { sessionId, cause: "POLICY_TERMINATED", evidence };
    const context = { method: "terminate", sessionId };
    turn.call({ capability: "vpn.session", method: "terminate", input, tag: "reported", context });
  }
}

/** Their clients hear of it at once; that the channels are gone is reported as any loss is. */
function empty(turn: Turn, mirrors: readonly Mirror[]): void {
  for (const { channelId } of mirrors) {
    if (channelId === null) continue;
    count(turn.keys, "drained");
    transport.close(turn, channelId, "GATEWAY_DRAINING");
  }
}

type Known = { readonly channelId: string; readonly silent: boolean; readonly active: boolean };

export function onWatched(turn: Turn, answer: Answer, data: Json): void {
  if (!answer.ok) return count(turn.keys, `channels.${answer.code}`);
  const { keys } = turn;
  const { askedAt } = data as { readonly askedAt: number };
  // An image before asked for `status`, whose answer has all there are: who is missing is for the first walk to find.
  const { channels, unknown = [] } = answer.value as unknown as {
    readonly channels: readonly Known[];
    readonly unknown?: readonly string[];
  };
  gatherChannels(keys, [...channels.map(({ channelId }) => channelId), ...unknown]);
  forgetHere(keys, ...unknown.filter((channelId) => isQuietHere(keys, channelId, askedAt)));
  for (const channelId of unknown) {
    const mirror = boundBefore(keys, channelId, askedAt);
    if (mirror === undefined) continue;
    count(keys, "watch.lost");
    reportLost(turn, mirror.sessionId, channelId, "NOT_LISTED");
  }
  for (const { channelId, silent, active } of channels) {
    const mirror = boundBefore(keys, channelId, askedAt);
    if (mirror === undefined) continue;
    if (!active) transport.setActive(turn, mirror, "deactivated", null);
    if (silent && mirror.state !== "VOLATILE") {
      report(turn, "pathSilent", mirror.sessionId, channelId, { reason: "LISTED_SILENT" });
    } else if (!silent && mirror.state === "VOLATILE") {
      report(turn, "pathAlive", mirror.sessionId, channelId, { reason: "LISTED_ALIVE" });
    }
  }
}

/** The session bound to a channel. What was learned of it after the transport was asked may be newer than the answer. */
function boundBefore(keys: Keys, channelId: string, askedAt: number): Mirror | undefined {
  const sessionId = boundSession(keys, channelId);
  const mirror = sessionId === undefined ? undefined : loadMirror(keys, sessionId);
  return mirror !== undefined && isLive(mirror) && mirror.at <= askedAt ? mirror : undefined;
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

function isGone(mirror: Mirror, at: number): boolean {
  return (!isLive(mirror) || isElsewhere(mirror)) && at - mirror.at > ENDED_MIRROR_MS;
}

export function isLive(mirror: Mirror): boolean {
  return mirror.state !== "TERMINATED";
}
