/**
 * A client's frame on its way to the session's owner and back: admission, rate, the question, the binding, the reply.
 *
 * G3. A client is told `accepted` only after its session is bound and the transport was told so.
 * G4. The owner asked for is always the key the channel has proven, never one a frame claims.
 */
import type { Answer, Json, Turn } from "@vnes/sdk";
import {
  type Bound,
  type ClientFrame,
  clientFrames,
  gatewayFrames as frames,
  type GatewayReason,
  type Outcome,
  type Standing,
} from "@vnes/vpn-common";
import { type GatewayConfig, isAdmitted, nameOf } from "./config.ts";
import { denyClient } from "./denials.ts";
import { overLimit } from "./limits.ts";
import { choosePolicy } from "./policy.ts";
import {
  askedHere,
  boundSession,
  count,
  follow,
  forgetClosing,
  isHere,
  loadConfig,
  loadDraining,
  loadMirror,
  markClosing,
} from "./store.ts";
import * as transport from "./transport.ts";
import { armWatch, awaitBinding, isLive, reportLost, reportQuality } from "./watch.ts";

/** A session answers within a turn; what takes longer is repeated by the client. */
const SESSION_TIMEOUT_MS = 2000;
const BUSY_RETRY_MS = 250;

export type Asker = { readonly channelId: string; readonly pathId: string; readonly peer: string };
type Context = Asker & { readonly nonce: string; readonly asked: string };

export function onFrame(turn: Turn, asker: Asker, data: Json): void {
  const config = loadConfig(turn.keys);
  const { channelId, pathId, peer } = asker;
  if (!isAdmitted(config, peer)) return refusePeer(turn, asker, "frame");
  const refused = overLimit(turn, config, peer);
  armWatch(turn);
  if (refused !== null) {
    const { reason, bound, tell, retryAfterMs } = refused;
    denyClient(turn, asker, "frame", reason, { evidence: { allowedAt: turn.at + retryAfterMs }, bound });
    if (!tell) return;
    return reject(turn, asker, null, reason, frames.NOWHERE, retryAfterMs, bound);
  }
  const frame = clientFrames.parseClientFrame(data);
  if (frame === undefined) {
    denyClient(turn, asker, "frame", "FRAME_MALFORMED", { evidence: shapeOf(data) });
    return reject(turn, asker, null, "FRAME_MALFORMED", frames.NOWHERE);
  }
  count(turn.keys, `frame.${frame.type}`);
  const { nonce } = frame;
  const context: Context = { channelId, pathId, peer, nonce, asked: frame.type };
  const since = loadDraining(turn.keys);
  if (since !== null && !isOfBound(turn, channelId, frame)) return refuseDraining(turn, context, since);
  if (frame.type === "create" || frame.type === "reattach") askedHere(turn.keys, channelId, turn.at);
  switch (frame.type) {
    case "create":
      return askPolicy(turn, config, context);
    case "reattach": {
      const { sessionId, epoch, version } = frame;
      const input = { sessionId, owner: peer, nonce, channelId, pathId, epoch, version };
      return askSession(turn, "reattach", input, context);
    }
    case "close": {
      // Its owner is about to close the channel too: that is no loss to report.
      if (boundSession(turn.keys, channelId) === frame.sessionId) markClosing(turn.keys, channelId);
      const input = { sessionId: frame.sessionId, owner: peer, cause: "CLIENT_CLOSED" };
      return askSession(turn, "terminate", input, context);
    }
    case "ping":
      return onPing(turn, context, frame);
  }
}

export function refusePeer(turn: Turn, asker: Asker, asked: "open" | "frame"): void {
  const { channelId } = asker;
  const { admit } = loadConfig(turn.keys);
  denyClient(turn, asker, asked, "PEER_NOT_ADMITTED", { evidence: { admitted: admit.length } });
  const frame = frames.rejected(null, "PEER_NOT_ADMITTED", frames.NOWHERE);
  transport.sendAndClose(turn, channelId, frame, "PEER_NOT_ADMITTED");
}

/** What a gateway that is being emptied still does: a close, and a ping over the channel that carries its session. */
function isOfBound({ keys }: Turn, channelId: string, frame: ClientFrame): boolean {
  if (frame.type === "ping") return boundSession(keys, channelId) === frame.sessionId;
  return frame.type === "close";
}

function refuseDraining(turn: Turn, context: Context, since: number): void {
  denyClient(turn, context, context.asked, "GATEWAY_DRAINING", { evidence: { drainingSince: since } });
  reject(turn, context, context.nonce, "GATEWAY_DRAINING", frames.NOWHERE);
}

/** Asked at creation only: a session keeps the policy it was made with. */
function askPolicy(turn: Turn, config: GatewayConfig, context: Context): void {
  const { peer } = context;
  turn.call({
    capability: "session_policy",
    method: "session",
    input: { peer, name: nameOf(config, peer), policy: config.policy },
    tag: "policed",
    context,
    timeoutMs: config.policyMs,
  });
}

/** A policy capsule decided, or did not: then the gateway's own policy holds, and the evidence says why. */
export function onPoliced(turn: Turn, answer: Answer, data: Json): void {
  const context = data as Context;
  const { peer, nonce } = context;
  const { policy, evidence } = choosePolicy(answer, loadConfig(turn.keys).policy);
  count(turn.keys, `policy.${evidence.problem ?? evidence.by}`);
  const input = { owner: peer, nonce, policy, evidence: { policy: evidence } };
  askSession(turn, "create", input, context);
}

/** A session was made, or had been made for this nonce: bind it to the channel that asked. */
export function onCreated(turn: Turn, answer: Answer, data: Json): void {
  const context = data as Context;
  const outcome = outcomeOf(turn, answer, context);
  if (outcome === undefined) return;
  if (outcome.outcome !== "accepted" || outcome.sessionId === null) return decline(turn, outcome, context);
  const { channelId, pathId, peer, nonce } = context;
  const input = { sessionId: outcome.sessionId, owner: peer, nonce, channelId, pathId };
  askSession(turn, "attach", input, context);
}

/** A session was attached or reattached, now or when its nonce came first. */
export function onBound(turn: Turn, answer: Answer, data: Json): void {
  const context = data as Context;
  const outcome = outcomeOf(turn, answer, context);
  if (outcome === undefined) return;
  const { sessionId, version, epoch } = outcome;
  if (outcome.outcome !== "accepted" || sessionId === null) return decline(turn, outcome, context);
  const { peer, channelId, pathId, nonce } = context;
  if (outcome.channelId === channelId) {
    const mirror = { sessionId, peer, state: "ATTACHED", version, epoch, channelId, pathId, at: turn.at };
    const isNews = follow(turn.keys, mirror);
    // Closed while the owner decided: it was nobody's then. Where the event came first, that reported it.
    if (!isHere(turn.keys, channelId)) {
      if (isNews) reportLost(turn, sessionId, channelId, "CLOSED_MEANWHILE");
      return;
    }
  }
  const now = loadMirror(turn.keys, sessionId);
  if (outcome.channelId !== channelId || (now !== undefined && now.channelId !== channelId)) {
    const standing = now !== undefined && now.version > version ? now : outcome;
    const evidence = { boundChannelId: now?.channelId ?? outcome.channelId };
    denyClient(turn, context, context.asked, "BOUND_ELSEWHERE", { standing, evidence });
    return reject(turn, context, nonce, "BOUND_ELSEWHERE", standing);
  }
  const then = {
    ...context,
    sessionId,
    version,
    epoch,
    reason: outcome.reason,
    previous: outcome.previousChannelId,
  };
  transport.setActive(turn, { peer, channelId, epoch, sessionId }, "activated", then);
}

type Activated = Context & {
  readonly sessionId: string;
  readonly version: number;
  readonly epoch: number;
  readonly reason: string;
  readonly previous: string | null;
};

export function onActivated(turn: Turn, answer: Answer, data: Json): void {
  const bound = data as Activated;
  const { sessionId, channelId, nonce, reason, previous } = bound;
  if (!answer.ok) {
    count(turn.keys, `setActive.${answer.code}`);
    // Gone between its frame and its binding. Any other failure is repeated with the client's nonce, or found by the watch.
    if (answer.code === "TRANSPORT_CHANNEL_UNKNOWN") reportLost(turn, sessionId, channelId, answer.code);
    return;
  }
  if (!(answer.value as { readonly applied: boolean }).applied) return count(turn.keys, "superseded");
  transport.send(turn, channelId, frames.accepted(nonce, reason, bound));
  if (previous !== null && isHere(turn.keys, previous) && boundSession(turn.keys, previous) === undefined) {
    transport.close(turn, previous, "REPLACED");
  }
}

/** The end of a session is told where it was bound by the session's own event; this tells whoever asked. */
export function onTerminated(turn: Turn, answer: Answer, data: Json): void {
  const context = data as Context;
  const outcome = outcomeOf(turn, answer, context);
  if (outcome !== undefined) decline(turn, outcome, context);
  if (outcome?.outcome !== "terminated") forgetClosing(turn.keys, context.channelId);
}

type Ping = Extract<ClientFrame, { readonly type: "ping" }>;

/** Answered over the channel it came by. Over the bound one it says how the path does; over another it keeps that open. */
function onPing(turn: Turn, context: Context, ping: Ping): void {
  const { sessionId, size } = ping;
  const { channelId, pathId, peer, nonce } = context;
  const mirror = loadMirror(turn.keys, sessionId);
  if (mirror === undefined || mirror.peer !== peer) {
    denyClient(turn, context, "ping", "SESSION_UNKNOWN", { standing: { ...frames.NOWHERE, sessionId } });
    return reject(turn, { channelId }, nonce, "SESSION_UNKNOWN", frames.NOWHERE);
  }
  const isBound = mirror.channelId === channelId;
  transport.send(turn, channelId, frames.pong(nonce, mirror.state, mirror, isBound), size);
  if (isBound) reportQuality(turn, mirror, ping);
  else if (isLive(mirror)) awaitBinding(turn, { channelId, pathId, peer }, "standbyMs");
}

function decline(turn: Turn, outcome: Outcome, context: Context): void {
  const { channelId, nonce } = context;
  count(turn.keys, `${outcome.outcome}.${outcome.reason}`);
  const { sessionId, version, epoch, reason, retryAfterMs, bound } = outcome;
  if (outcome.outcome === "terminated" && sessionId !== null) {
    transport.send(turn, channelId, frames.terminated(nonce, reason, { sessionId, version, epoch }, bound));
  } else reject(turn, context, nonce, reason, outcome, retryAfterMs, bound);
}

function outcomeOf(turn: Turn, answer: Answer, context: Context): Outcome | undefined {
  if (answer.ok) return answer.value as unknown as Outcome;
  count(turn.keys, `session.${answer.code}`);
  turn.log("warn", "the session's owner did not decide", { code: answer.code, channelId: context.channelId });
  const met = { bound: "decideMs", limit: SESSION_TIMEOUT_MS, value: SESSION_TIMEOUT_MS, unit: "ms" };
  const bound = answer.code === "CALL_TIMEOUT" ? met : null;
  denyClient(turn, context, context.asked, "GATEWAY_BUSY", { evidence: { code: answer.code }, bound });
  reject(turn, context, context.nonce, "GATEWAY_BUSY", frames.NOWHERE, BUSY_RETRY_MS, bound);
  return undefined;
}

/** Of a frame that is none: what it calls itself and how long it is, and nothing more of a stranger's data. */
function shapeOf(frame: Json): { readonly type: string | null; readonly characters: number } {
  const type =
    typeof frame === "object" && frame !== null && !Array.isArray(frame) ? frame["type" as never] : null;
  const named = typeof type === "string" ? (type as string).slice(0, MAX_TYPE) : null;
  return { type: named, characters: JSON.stringify(frame).length };
}

const MAX_TYPE = 32;

function reject(
  turn: Turn,
  asker: { readonly channelId: string },
  nonce: string | null,
  reason: GatewayReason | Outcome["reason"],
  standing: Standing,
  retryAfterMs: number | null = null,
  bound: Bound | null = null,
): void {
  transport.send(turn, asker.channelId, frames.rejected(nonce, reason, standing, retryAfterMs, bound));
}

function askSession(turn: Turn, method: string, input: Json, context: Context): void {
  turn.call({
    capability: "vpn.session",
    method,
    input,
    tag: method === "create" ? "created" : method === "terminate" ? "terminated" : "bound",
    context,
    timeoutMs: SESSION_TIMEOUT_MS,
  });
}
