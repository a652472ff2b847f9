/** What the gateway asks of `vpn.transport`, and how it is asked. */
import type { Answer, Json, JsonObject, Turn } from "@vnes/sdk";
import { count } from "./store.ts";

/** A driver answers within milliseconds; waiting longer only delays the client's next attempt. */
const TRANSPORT_TIMEOUT_MS = 2000;

export function send(turn: Turn, channelId: string, frame: JsonObject, padTo = 0): void {
  ask(turn, "send", { channelId, frame, padTo }, "sent", { channelId });
}

/** The frame first, then the end of the channel. */
export function sendAndClose(turn: Turn, channelId: string, frame: JsonObject, reason: string): void {
  ask(turn, "send", { channelId, frame }, "farewell", { channelId, reason });
}

export function close(turn: Turn, channelId: string, reason: string): void {
  ask(turn, "close", { channelId, reason }, "closed", { channelId });
}

/** A channel that carries nothing; whether it was still open is in the answer. */
export function closeUnbound(
  turn: Turn,
  context: { readonly channelId: string; readonly waiting: Json },
): void {
  ask(turn, "close", { channelId: context.channelId, reason: "UNBOUND" }, "unbound", context);
}

export function setActive(
  turn: Turn,
  binding: {
    readonly peer: string;
    readonly channelId: string | null;
    readonly epoch: number;
    readonly sessionId: string;
  },
  tag: "activated" | "deactivated",
  context: Json,
): void {
  const { peer, channelId, epoch, sessionId } = binding;
  ask(turn, "setActive", { peer, channelId, epoch, session: sessionId }, tag, context);
}

export function askChannels(turn: Turn, channelIds: readonly string[]): void {
  ask(turn, "channels", { channelIds }, "watched", { askedAt: turn.at });
}

/** A frame that was not sent is repeated by the client that waits for it; here it is only counted. */
export function onSent(turn: Turn, answer: Answer): void {
  if (!answer.ok) count(turn.keys, `send.${answer.code}`);
}

function ask(turn: Turn, method: string, input: Json, tag: string, context: Json): void {
  turn.call({ capability: "vpn.transport", method, input, tag, context, timeoutMs: TRANSPORT_TIMEOUT_MS });
}
