/** `vpn.gateway`: lets clients in, asks the session's owner what may happen, and tells the transport what is bound. */
import { capsule, type Json, type JsonObject, type Turn } from "@vnes/sdk";
import {
  gatewayFrames as frames,
  onDenialsDue,
  parseBound,
  type SessionMoved,
  silenceMet,
} from "@vnes/vpn-common";
import { isAdmitted, parseConfig } from "./config.ts";
import { drain } from "./drain.ts";
import {
  type Asker,
  onActivated,
  onBound,
  onCreated,
  onFrame,
  onPoliced,
  onTerminated,
  refusePeer,
} from "./requests.ts";
import {
  boundSession,
  closedHere,
  count,
  firstMirrors,
  follow,
  gatherClient,
  gatherSession,
  heardHere,
  isClosedHere,
  isClosing,
  isHere,
  loadConfig,
  loadDraining,
  loadMirror,
} from "./store.ts";
import * as transport from "./transport.ts";
import {
  armWatch,
  awaitBinding,
  beginWatch,
  letGo,
  onReported,
  onUnboundClosed,
  onUnboundDue,
  onWatchDue,
  onWatched,
  report,
  reportLost,
} from "./watch.ts";

const STATUS_SESSIONS = 200;

/** As the transport reports it; the kernel has checked it against `vpn.channel.v1`. */
type ChannelEvent = Asker &
  (
    | { readonly event: "opened"; readonly role: "initiator" | "responder" }
    | { readonly event: "frame"; readonly frame: Json }
    | { readonly event: "pathSilent"; readonly silentMs: number; readonly limitMs?: number }
    | { readonly event: "pathAlive" }
    | {
        readonly event: "closed";
        readonly reason: string;
        readonly silentMs?: number;
        readonly limitMs?: number;
      }
  );

function start(turn: Turn, data: Json): void {
  turn.keys.set("config", parseConfig(data));
  // Channels may have ended while nobody listened, and clients be admitted no more.
  beginWatch(turn);
}

function onChannel(turn: Turn, data: Json): void {
  const event = data as unknown as ChannelEvent;
  const { channelId, pathId, peer } = event;
  gatherClient(turn.keys, event);
  const sessionId = boundSession(turn.keys, channelId);
  switch (event.event) {
    case "opened":
      // The other role is a client capsule of this node dialling out.
      if (event.role !== "responder") return;
      if (!isAdmitted(loadConfig(turn.keys), peer))
        return refusePeer(turn, { channelId, pathId, peer }, "open");
      heardHere(turn.keys, channelId, turn.at);
      return awaitBinding(turn, { channelId, peer, pathId }, "unboundMs");
    case "frame":
      if (frames.isGatewayFrame(event.frame)) return count(turn.keys, "frame.reply");
      // Its opening was not heard of: nobody waits for it yet.
      if (sessionId === undefined && !isHere(turn.keys, channelId))
        awaitBinding(turn, { channelId, peer, pathId }, "unboundMs");
      heardHere(turn.keys, channelId, turn.at);
      return onFrame(turn, { channelId, pathId, peer }, event.frame);
    case "pathSilent":
      if (sessionId === undefined) return;
      return report(turn, "pathSilent", sessionId, channelId, silence(event));
    case "pathAlive":
      if (sessionId === undefined) return;
      return report(turn, "pathAlive", sessionId, channelId, { pathId });
    case "closed":
      turn.cancelTimer(`unbound:${channelId}`);
      if (isClosing(turn.keys, channelId)) count(turn.keys, "closedByOwner");
      // Should the session not end after all, the watch finds that its channel is gone.
      else if (sessionId !== undefined) reportLost(turn, sessionId, channelId, event.reason, death(event));
      closedHere(turn.keys, channelId, turn.at);
  }
}

function silence({ pathId, silentMs, limitMs }: Extract<ChannelEvent, { event: "pathSilent" }>): JsonObject {
  return { pathId, silentMs, ...silenceMet("silentMs", silentMs, limitMs) };
}

function death({ silentMs, limitMs }: Extract<ChannelEvent, { event: "closed" }>): JsonObject {
  return silenceMet("deadMs", silentMs, limitMs);
}

function onSession(turn: Turn, data: Json): void {
  const moved = data as unknown as SessionMoved;
  const { sessionId, owner: peer, version, epoch, to: state, binding, released } = moved;
  gatherSession(turn.keys, sessionId, binding?.channelId);
  const before = loadMirror(turn.keys, sessionId);
  const isLost = binding !== null && isClosedHere(turn.keys, binding.channelId);
  const isBoundHere = binding !== null && (isLost || isHere(turn.keys, binding.channelId));
  // On several nodes every gateway hears of every session; what never came by this one is another's.
  if (before === undefined && !isBoundHere) return;
  const { channelId, pathId } = isBoundHere ? binding : { channelId: null, pathId: null };
  if (!follow(turn.keys, { sessionId, peer, state, version, epoch, channelId, pathId, at: turn.at })) return;
  armWatch(turn);
  if (binding !== null && !isBoundHere && before !== undefined) return letGo(turn, before, epoch);
  // Its answer may be late, or never come; the mirror has the channel, so that the watch reports what this does not reach.
  if (isLost && channelId !== null) {
    if (before !== undefined && before.channelId !== channelId) letGo(turn, before, epoch);
    return reportLost(turn, sessionId, channelId, "CLOSED_MEANWHILE");
  }
  if (state !== "RECOVERING" && state !== "TERMINATED") return;
  transport.setActive(turn, { peer, channelId: null, epoch, sessionId }, "deactivated", null);
  if (state === "TERMINATED" && released !== null) {
    const { bound } = moved.evidence as { readonly bound?: unknown };
    const frame = frames.terminated(null, moved.reason, moved, parseBound(bound));
    transport.sendAndClose(turn, released.channelId, frame, moved.reason);
  }
}

function status(turn: Turn): Json {
  const { admit } = loadConfig(turn.keys);
  const { mirrors, more } = firstMirrors(turn.keys, STATUS_SESSIONS);
  return {
    admit: admit === "any" ? "any" : admit.length,
    draining: loadDraining(turn.keys),
    sessions: mirrors,
    more,
    counters: turn.keys.get("count") ?? {},
  };
}

export default capsule({
  start,
  events: { "vpn.channel.v1": onChannel, "vpn.session.v1": onSession },
  calls: { "vpn.gateway.status": status, "vpn.gateway.drain": drain },
  answers: {
    policed: onPoliced,
    created: onCreated,
    bound: onBound,
    terminated: onTerminated,
    activated: onActivated,
    deactivated: (turn, answer) => {
      if (!answer.ok) count(turn.keys, `setActive.${answer.code}`);
    },
    reported: onReported,
    watched: onWatched,
    sent: transport.onSent,
    farewell: (turn, answer, data) => {
      transport.onSent(turn, answer);
      const { channelId, reason } = data as { readonly channelId: string; readonly reason: string };
      transport.close(turn, channelId, reason);
    },
    unbound: onUnboundClosed,
    closed: (turn, answer) => {
      if (!answer.ok) count(turn.keys, `close.${answer.code}`);
    },
  },
  timers: { watch: onWatchDue, unbound: onUnboundDue, denials: onDenialsDue },
});
