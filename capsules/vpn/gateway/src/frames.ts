/**
 * The control frames of Jumping VPN as the gateway meets them (docs/protocol.md): what a client may say, parsed as the
 * untrusted data it is, and what the gateway answers. A client that can prove its key can still send anything.
 */
import type { Json, JsonObject } from "@vnes/sdk";

export const FRAME_VERSION = 1;

export type ClientFrame =
  | { readonly type: "create"; readonly nonce: string }
  | {
      readonly type: "reattach";
      readonly nonce: string;
      readonly sessionId: string;
      readonly epoch: number;
      readonly version: number;
    }
  | { readonly type: "close"; readonly nonce: string; readonly sessionId: string }
  | {
      readonly type: "ping";
      readonly nonce: string;
      readonly sessionId: string;
      /** Bytes the answer is to take at least. */
      readonly size: number;
      /** Why the client's active path is below its policy; null: it is not. */
      readonly below: string | null;
    };

const SESSION_ID = /^ses_[A-Za-z0-9]{8,40}$/;
const NONCE = /^[A-Za-z0-9_-]{8,64}$/;
const REASON = /^[A-Z][A-Z0-9_]{0,63}$/;
/** A datagram that IP need not cut; whoever wants to know more of a path looks at it by other means. */
export const MAX_PING_BYTES = 1400;

const FIELDS: { readonly [T in ClientFrame["type"]]: readonly string[] } = {
  create: ["v", "type", "nonce"],
  reattach: ["v", "type", "nonce", "sessionId", "epoch", "version"],
  close: ["v", "type", "nonce", "sessionId"],
  ping: ["v", "type", "nonce", "sessionId", "size", "below"],
};

/** Undefined for anything that is not exactly a frame of a client; unknown fields included. */
export function parseClientFrame(frame: Json): ClientFrame | undefined {
  if (typeof frame !== "object" || frame === null || Array.isArray(frame)) return undefined;
  const { v, type, nonce, sessionId, epoch, version, size, below } = frame as JsonObject;
  if (v !== FRAME_VERSION || typeof type !== "string" || !Object.hasOwn(FIELDS, type)) return undefined;
  const fields = FIELDS[type as ClientFrame["type"]];
  const names = Object.keys(frame);
  if (names.length !== fields.length || !names.every((name) => fields.includes(name))) return undefined;
  if (typeof nonce !== "string" || !NONCE.test(nonce)) return undefined;
  if (type === "create") return { type, nonce };
  if (typeof sessionId !== "string" || !SESSION_ID.test(sessionId)) return undefined;
  if (type === "close") return { type, nonce, sessionId };
  if (type === "ping") {
    if (!isCount(size) || size > MAX_PING_BYTES) return undefined;
    if (below !== null && (typeof below !== "string" || !REASON.test(below))) return undefined;
    return { type, nonce, sessionId, size, below };
  }
  if (!isCount(epoch) || !isCount(version)) return undefined;
  return { type: "reattach", nonce, sessionId, epoch, version };
}

function isCount(value: Json | undefined): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

/** What a session answered, as far as a frame repeats it. */
export type Standing = {
  readonly sessionId: string | null;
  readonly version: number;
  readonly epoch: number;
};

export function accepted(nonce: string, reason: string, standing: Standing): JsonObject {
  const { sessionId, version, epoch } = standing;
  return { v: FRAME_VERSION, type: "accepted", nonce, reason, sessionId, version, epoch };
}

export function rejected(
  nonce: string | null,
  reason: string,
  standing: Standing,
  retryAfterMs: number | null,
): JsonObject {
  const { sessionId, version, epoch } = standing;
  return { v: FRAME_VERSION, type: "rejected", nonce, reason, sessionId, version, epoch, retryAfterMs };
}

export function terminated(nonce: string | null, reason: string, standing: Standing): JsonObject {
  const { sessionId, version, epoch } = standing;
  return { v: FRAME_VERSION, type: "terminated", nonce, reason, sessionId, version, epoch };
}

/** `bound`: whether the channel that asked is the one bound to the session. */
export function pong(nonce: string, state: string, standing: Standing, bound: boolean): JsonObject {
  const { sessionId, version, epoch } = standing;
  return { v: FRAME_VERSION, type: "pong", nonce, state, sessionId, version, epoch, bound };
}

export const NOWHERE: Standing = { sessionId: null, version: 0, epoch: 0 };

/** Reasons of the gateway itself, beside those a session gives. */
export const GATEWAY_REASONS = {
  PEER_NOT_ADMITTED: "the client's key is not admitted here; the channel is closed",
  FRAME_MALFORMED: "the frame is not one of this protocol and version",
  RATE_LIMITED: "the client sent more frames than it may",
  BOUND_ELSEWHERE: "the nonce was accepted over another channel: reattach with the epoch given here",
  GATEWAY_BUSY: "the request was not decided in time: repeat it with the same nonce",
} as const;

export type GatewayReason = keyof typeof GATEWAY_REASONS;
