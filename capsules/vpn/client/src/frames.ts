/** The control frames of Jumping VPN as the client meets them (docs/protocol.md): what it says, and what may be answered. */
import type { Json, JsonObject } from "@vnes/sdk";

export const FRAME_VERSION = 1;

type Standing = { readonly sessionId: string; readonly version: number; readonly epoch: number };

export type GatewayFrame =
  | (Standing & { readonly type: "accepted"; readonly nonce: string; readonly reason: string })
  | {
      readonly type: "rejected";
      readonly nonce: string | null;
      readonly reason: string;
      /** Null where the gateway may not or cannot say. */
      readonly sessionId: string | null;
      readonly version: number;
      readonly epoch: number;
      readonly retryAfterMs: number | null;
    }
  | (Standing & { readonly type: "terminated"; readonly nonce: string | null; readonly reason: string })
  | (Standing & {
      readonly type: "pong";
      readonly nonce: string;
      readonly state: string;
      readonly bound: boolean;
    });

const SESSION_ID = /^ses_[A-Za-z0-9]{8,40}$/;
const NONCE = /^[A-Za-z0-9_-]{8,64}$/;
const REASON = /^[A-Z][A-Z0-9_]{0,63}$/;

/** Undefined for anything that is not a frame of a gateway. Fields this version does not know are left aside. */
export function parseGatewayFrame(frame: Json): GatewayFrame | undefined {
  if (typeof frame !== "object" || frame === null || Array.isArray(frame)) return undefined;
  const { v, type, nonce = null, reason, sessionId = null, version, epoch, ...rest } = frame as JsonObject;
  if (v !== FRAME_VERSION || !isCount(version) || !isCount(epoch)) return undefined;
  if (nonce !== null && (typeof nonce !== "string" || !NONCE.test(nonce))) return undefined;
  if (sessionId !== null && (typeof sessionId !== "string" || !SESSION_ID.test(sessionId))) return undefined;
  if (type === "pong") {
    const { state, bound } = rest;
    if (nonce === null || sessionId === null || typeof state !== "string" || typeof bound !== "boolean") {
      return undefined;
    }
    return { type, nonce, sessionId, version, epoch, state, bound };
  }
  if (typeof reason !== "string" || !REASON.test(reason)) return undefined;
  if (type === "rejected") {
    const { retryAfterMs = null } = rest;
    if (retryAfterMs !== null && !isCount(retryAfterMs)) return undefined;
    return { type, nonce, reason, sessionId, version, epoch, retryAfterMs };
  }
  if (sessionId === null) return undefined;
  if (type === "terminated") return { type, nonce, reason, sessionId, version, epoch };
  if (type === "accepted" && nonce !== null) return { type, nonce, reason, sessionId, version, epoch };
  return undefined;
}

function isCount(value: Json | undefined): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

export function create(nonce: string): JsonObject {
  return { v: FRAME_VERSION, type: "create", nonce };
}

export function reattach(nonce: string, sessionId: string, epoch: number, version: number): JsonObject {
  return { v: FRAME_VERSION, type: "reattach", nonce, sessionId, epoch, version };
}

export function close(nonce: string, sessionId: string): JsonObject {
  return { v: FRAME_VERSION, type: "close", nonce, sessionId };
}

/** `size`: bytes the answer is to take; `below`: why the active path is below policy, null if it is not. */
export function ping(nonce: string, sessionId: string, size: number, below: string | null): JsonObject {
  return { v: FRAME_VERSION, type: "ping", nonce, sessionId, size, below };
}
