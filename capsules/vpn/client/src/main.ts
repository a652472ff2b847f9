/** `vpn.client`: keeps one session alive over transports that die. The agent decides; this carries its words. */
import { type Answer, capsule, type Json, type JsonObject, type Refusal, refuse, type Turn } from "@vnes/sdk";
import { gatewayFrames } from "@vnes/vpn-common";
import { NEW_AGENT, step, wayToTell } from "./agent.ts";
import { OPEN_MARGIN_MS } from "./attempts.ts";
import { type ClientConfig, parseConfig } from "./config.ts";
import { type ClientErrorCode, describe } from "./errors.ts";
import { CLIENT_REASONS } from "./reasons.ts";
import { evidenceOf, inOrder, jumpRefusal } from "./rounds.ts";
import { parseRanking } from "./routing.ts";
import { statusOf } from "./status.ts";
import type { Agent, Asked, Heard, TimerName } from "./vocabulary.ts";

const CLIENT_TOPIC = "vpn.client.v1";
const SAMPLE_TOPIC = "geometry.sample.v1";
/** As long as `status` shows it. */
const MAX_CODE = 64;
const TRANSPORT_TIMEOUT_MS = 2000;

function load(turn: Turn): { readonly agent: Agent; readonly config: ClientConfig } {
  // An agent of an earlier version lacks what it did not know.
  const agent = { ...NEW_AGENT, ...(turn.keys.get("agent") as unknown as Agent | undefined) };
  const config = turn.keys.get("config") as unknown as ClientConfig | undefined;
  return { agent, config: config ?? parseConfig(null) };
}

function hear(turn: Turn, heard: Heard): void {
  const { agent, config } = load(turn);
  const next = step(agent, heard, config, turn.at, turn.id("non"));
  turn.keys.set("agent", next.agent);
  for (const asked of next.asked) carry(turn, config, asked);
}

function carry(turn: Turn, config: ClientConfig, asked: Asked): void {
  const peer = config.gateway ?? "";
  switch (asked.ask) {
    case "open": {
      const candidate = config.candidates.find((one) => one.pathId === asked.pathId);
      if (candidate === undefined) throw new Error(`no candidate ${asked.pathId}`);
      const { pathId, kind, address, port } = candidate;
      const timeoutMs = config.policy.openTimeoutMs + OPEN_MARGIN_MS;
      return askTransport(
        turn,
        "open",
        { pathId, kind, address, port, peer },
        { attempt: asked.attempt, askedAt: turn.at },
        timeoutMs,
      );
    }
    case "send": {
      const { attempt, channelId, frame, padTo = 0 } = asked;
      return askTransport(turn, "send", { channelId, frame, padTo }, { attempt });
    }
    case "sendAndClose": {
      const { channelId, frame, reason } = asked;
      return askTransport(turn, "send", { channelId, frame }, { attempt: 0, close: channelId, reason });
    }
    case "close":
      return askTransport(turn, "close", { channelId: asked.channelId, reason: asked.reason }, null);
    case "setActive": {
      const { channelId, epoch, sessionId } = asked;
      return askTransport(turn, "setActive", { peer, channelId, epoch, session: sessionId }, { channelId });
    }
    case "list":
      return askTransport(turn, "status", {}, { askedAt: turn.at });
    case "rank":
      return turn.call({
        capability: "routing",
        method: "rank",
        input: asked.input,
        tag: "rank",
        context: { request: asked.request },
        timeoutMs: asked.timeoutMs,
      });
    case "sample": {
      const { pathId, rttMs } = asked;
      const to = config.candidates.find((one) => one.pathId === pathId)?.peer ?? pathId;
      if (to === config.self) return;
      return turn.publish(SAMPLE_TOPIC, config.self, { from: config.self, to, rttMs });
    }
    case "publish":
      return turn.publish(CLIENT_TOPIC, asked.event.sessionId ?? "none", asked.event);
    case "wake":
      return turn.setTimer(asked.timer, asked.at);
    case "unwake":
      return turn.cancelTimer(asked.timer);
  }
}

function askTransport(
  turn: Turn,
  method: "open" | "send" | "close" | "setActive" | "status",
  input: Json,
  context: Json,
  timeoutMs: number = TRANSPORT_TIMEOUT_MS,
): void {
  turn.call({ capability: "vpn.transport", method, input, tag: method, context, timeoutMs });
}

/** As the transport reports it; the kernel has checked it against `vpn.channel.v1`. */
type ChannelEvent = { readonly channelId: string; readonly peer: string } & (
  | { readonly event: "opened"; readonly role: "initiator" | "responder" }
  | { readonly event: "frame"; readonly frame: Json }
  | {
      readonly event: "pathSilent";
      readonly silentMs: number;
      readonly direction?: "in" | "out";
      readonly limitMs?: number;
    }
  | { readonly event: "sendFailed"; readonly code: string }
  | { readonly event: "pathAlive" }
  | {
      readonly event: "closed";
      readonly reason: string;
      readonly detail?: string;
      readonly silentMs?: number;
      readonly limitMs?: number;
    }
);

/** What concerns the machine, not a channel. */
type NodeEvent =
  | { readonly event: "started" }
  | {
      readonly event: "addressesChanged";
      readonly gone: readonly string[];
      readonly came: readonly string[];
    };

function onChannel(turn: Turn, data: Json): void {
  const event = data as unknown as ChannelEvent | NodeEvent;
  if (event.event === "started") return hear(turn, { heard: "transportStarted" });
  if (event.event === "addressesChanged") {
    const { gone, came } = event;
    return hear(turn, { heard: "addressesChanged", gone, came });
  }
  const { channelId, peer } = event;
  // A node may be a gateway too; only channels to this client's gateway are its own.
  if (peer !== load(turn).config.gateway) return;
  switch (event.event) {
    case "opened":
      if (event.role === "initiator") hear(turn, { heard: "channelOpened", channelId });
      return;
    case "frame": {
      const frame = gatewayFrames.parseGatewayFrame(event.frame);
      return hear(
        turn,
        frame === undefined ? { heard: "frameMalformed" } : { heard: "frame", channelId, frame },
      );
    }
    case "pathSilent":
      return hear(turn, {
        heard: "pathSilent",
        channelId,
        silentMs: event.silentMs,
        ...(event.direction === undefined ? {} : { direction: event.direction }),
        ...(event.limitMs === undefined ? {} : { limitMs: event.limitMs }),
      });
    case "sendFailed":
      return hear(turn, { heard: "pathRefused", channelId, code: event.code });
    case "pathAlive":
      return hear(turn, { heard: "pathAlive", channelId });
    case "closed": {
      // What the other end gave as its reason tells more than that it was the other end.
      const reason = event.detail ? `${event.reason}: ${event.detail}` : event.reason;
      const { silentMs, limitMs } = event;
      const silence = silentMs === undefined || limitMs === undefined ? {} : { silentMs, limitMs };
      return hear(turn, { heard: "channelClosed", channelId, reason, ...silence });
    }
  }
}

function onOpen(turn: Turn, answer: Answer, context: Json): void {
  // An image before did not say when it asked.
  const { attempt, askedAt } = context as { readonly attempt: number; readonly askedAt?: number };
  if (!answer.ok) {
    const waited = askedAt === undefined ? {} : { waitedMs: turn.at - askedAt };
    return hear(turn, { heard: "openFailed", attempt, code: answer.code, ...waited, ...limitOf(answer) });
  }
  const { channelId } = answer.value as { readonly channelId: string };
  hear(turn, { heard: "opened", attempt, channelId });
}

function limitOf({ details }: Extract<Answer, { ok: false }>): { readonly limitMs?: number } {
  const { limitMs } = (details ?? {}) as { readonly limitMs?: unknown };
  return typeof limitMs === "number" ? { limitMs } : {};
}

function onSend(turn: Turn, answer: Answer, context: Json): void {
  const sent = context as { readonly attempt: number; readonly close?: string; readonly reason?: string };
  if (sent.close !== undefined) {
    return askTransport(turn, "close", { channelId: sent.close, reason: sent.reason ?? "" }, null);
  }
  if (!answer.ok) hear(turn, { heard: "sendFailed", attempt: sent.attempt, code: answer.code });
}

function onSetActive(turn: Turn, answer: Answer, context: Json): void {
  const { channelId } = context as { readonly channelId: string | null };
  if (!answer.ok && channelId !== null)
    hear(turn, { heard: "setActiveFailed", channelId, code: answer.code });
}

function onStatus(turn: Turn, answer: Answer, context: Json): void {
  if (!answer.ok) return;
  const { askedAt } = context as { readonly askedAt: number };
  const { channels } = answer.value as unknown as { channels: { channelId: string; silent: boolean }[] };
  hear(turn, { heard: "listed", askedAt, channels });
}

function onRank(turn: Turn, answer: Answer, context: Json): void {
  const { request } = context as { readonly request: number };
  if (!answer.ok) return hear(turn, { heard: "rankFailed", request, code: answer.code.slice(0, MAX_CODE) });
  const ranking = parseRanking(answer.value, load(turn).config.candidates);
  if (ranking === undefined) return hear(turn, { heard: "rankFailed", request, code: "ANSWER_UNFIT" });
  hear(turn, { heard: "ranked", request, ranking });
}

function jump(turn: Turn, input: Json): Json | Refusal {
  const { agent, config } = load(turn);
  const asked = (input as { readonly pathId?: string }).pathId;
  const others = inOrder(agent, config, turn.at).filter((one) => one !== agent.active?.pathId);
  const pathId = asked ?? others[0] ?? null;
  const deny = (reason: keyof typeof CLIENT_REASONS, evidence: JsonObject): void =>
    hear(turn, { heard: "jumpRefused", pathId, reason, evidence });
  if (agent.mode !== "steady" || agent.attempt !== null) {
    const why =
      agent.attempt === null
        ? `the client is ${agent.mode}`
        : `one over ${agent.attempt.pathId} is under way`;
    deny("NOT_STEADY", { mode: agent.mode, attempt: agent.attempt?.pathId ?? null });
    return refused("CLIENT_JUMP_REFUSED", { why, reason: "NOT_STEADY", mode: agent.mode });
  }
  if (pathId === null || !config.candidates.some((one) => one.pathId === pathId)) {
    deny("PATH_UNKNOWN", { candidates: config.candidates.map((one) => one.pathId) });
    return refused("CLIENT_PATH_UNKNOWN", { pathId: pathId ?? "other than the active one" });
  }
  const held = jumpRefusal({ agent, config, at: turn.at, nonce: "", asked: [] });
  if (held !== undefined) {
    const { reason, until } = held;
    const why = `${reason}: ${CLIENT_REASONS[reason as keyof typeof CLIENT_REASONS]}`;
    deny(reason as keyof typeof CLIENT_REASONS, evidenceOf(held));
    return refused("CLIENT_JUMP_REFUSED", { why, reason, mode: agent.mode, retryAfterMs: until - turn.at });
  }
  hear(turn, { heard: "jumpAsked", pathId });
  return { pathId };
}

function close(turn: Turn): Json | Refusal {
  const { agent } = load(turn);
  if (agent.mode === "idle" || agent.mode === "ended")
    return refused("CLIENT_NOT_RUNNING", { mode: agent.mode });
  hear(turn, { heard: "closeAsked" });
  return { sessionId: agent.session?.id ?? null, toldOver: wayToTell(agent)?.pathId ?? null };
}

function renew(turn: Turn): Json | Refusal {
  const { agent } = load(turn);
  if (agent.mode !== "ended") return refused("CLIENT_NOT_ENDED", { mode: agent.mode });
  hear(turn, { heard: "renewAsked" });
  return { previous: agent.session?.id ?? null };
}

function refused(code: ClientErrorCode, details: { readonly [name: string]: string | number }): Refusal {
  return refuse(code, describe(code, details), details);
}

function onTimer(timer: TimerName) {
  return (turn: Turn): void => hear(turn, { heard: "timer", timer });
}

export default capsule({
  start(turn, config) {
    turn.keys.set("config", parseConfig(config));
    hear(turn, { heard: "started" });
  },
  events: { "vpn.channel.v1": onChannel },
  calls: {
    "vpn.client.status": (turn) => {
      const { agent, config } = load(turn);
      return statusOf(agent, config, turn.at);
    },
    "vpn.client.jump": jump,
    "vpn.client.close": close,
    "vpn.client.renew": renew,
  },
  answers: {
    open: onOpen,
    send: onSend,
    // A channel that could not be closed is closed by the gateway or by its own silence.
    close: () => {},
    setActive: onSetActive,
    status: onStatus,
    rank: onRank,
  },
  timers: {
    attempt: onTimer("attempt"),
    retry: onTimer("retry"),
    recovery: onTimer("recovery"),
    watch: onTimer("watch"),
    ping: onTimer("ping"),
    probe: onTimer("probe"),
    renew: onTimer("renew"),
  },
});
