/** What a gateway answers: made by the gateway, parsed by the client. */
import { type Bound, parseBound } from "./bound.ts";
import { fieldsOf, FRAME_VERSION, isCount, isNonce, isReason, isSessionId } from "./frame.ts";

/** Where a session stands, as far as a frame tells it. */
export type Standing = {
  readonly sessionId: string | null;
  readonly version: number;
  readonly epoch: number;
};

type Known = Standing & { readonly sessionId: string };

export type GatewayFrame =
  | (Known & { readonly type: "accepted"; readonly nonce: string; readonly reason: string })
  | (Standing & {
      readonly type: "rejected";
      readonly nonce: string | null;
      readonly reason: string;
      readonly retryAfterMs: number | null;
      /** The number that decided. */
      readonly bound: Bound | null;
    })
  | (Known & {
      readonly type: "terminated";
      readonly nonce: string | null;
      readonly reason: string;
      /** The number that decided; absent: the gateway does not say. */
      readonly bound?: Bound | null;
    })
  | (Known & {
      readonly type: "pong";
      readonly nonce: string;
      readonly state: string;
      /** Whether the channel that asked is the one bound to the session. */
      readonly bound: boolean;
    });

type Type = GatewayFrame["type"];
type Frame<T extends Type> = { readonly v: number } & Extract<GatewayFrame, { readonly type: T }>;

/** Of a session the asker may not know of. */
export const NOWHERE: Standing = { sessionId: null, version: 0, epoch: 0 };

const TYPES: { readonly [T in Type]: true } = {
  accepted: true,
  rejected: true,
  terminated: true,
  pong: true,
};

/** On a node that is a client too, answers of its own gateway come by the same topic. */
export function isGatewayFrame(frame: unknown): boolean {
  const type = fieldsOf(frame)?.["type"];
  return typeof type === "string" && Object.hasOwn(TYPES, type);
}

/** Undefined for anything that is not a frame of a gateway. Fields this version does not know are left aside. */
export function parseGatewayFrame(frame: unknown): GatewayFrame | undefined {
  const given = fieldsOf(frame);
  if (given === undefined) return undefined;
  const { v, type, nonce = null, reason, sessionId = null, version, epoch, ...rest } = given;
  if (v !== FRAME_VERSION || !isCount(version) || !isCount(epoch)) return undefined;
  if (nonce !== null && !isNonce(nonce)) return undefined;
  if (sessionId !== null && !isSessionId(sessionId)) return undefined;
  if (type === "pong") {
    const { state, bound } = rest;
    if (nonce === null || sessionId === null || typeof state !== "string" || typeof bound !== "boolean") {
      return undefined;
    }
    return { type, nonce, sessionId, version, epoch, state, bound };
  }
  if (!isReason(reason)) return undefined;
  if (type === "rejected") {
    const { retryAfterMs = null } = rest;
    if (retryAfterMs !== null && !isCount(retryAfterMs)) return undefined;
    // For people only, so one that is not understood is no reason to leave the frame aside.
    const bound = parseBound(rest["bound"]);
    return { type, nonce, reason, sessionId, version, epoch, retryAfterMs, bound };
  }
  if (sessionId === null) return undefined;
  if (type === "terminated")
    return { type, nonce, reason, sessionId, version, epoch, bound: parseBound(rest["bound"]) };
  if (type === "accepted" && nonce !== null) return { type, nonce, reason, sessionId, version, epoch };
  return undefined;
}

export function accepted(
  nonce: string,
  reason: string,
  { sessionId, version, epoch }: Known,
): Frame<"accepted"> {
  return { v: FRAME_VERSION, type: "accepted", nonce, reason, sessionId, version, epoch };
}

export function rejected(
  nonce: string | null,
  reason: string,
  { sessionId, version, epoch }: Standing,
  retryAfterMs: number | null = null,
  bound: Bound | null = null,
): Frame<"rejected"> {
  return {
    v: FRAME_VERSION,
    type: "rejected",
    nonce,
    reason,
    sessionId,
    version,
    epoch,
    retryAfterMs,
    bound,
  };
}

export function terminated(
  nonce: string | null,
  reason: string,
  { sessionId, version, epoch }: Known,
  bound: Bound | null = null,
): Frame<"terminated"> {
  return { v: FRAME_VERSION, type: "terminated", nonce, reason, sessionId, version, epoch, bound };
}

export function pong(
  nonce: string,
  state: string,
  { sessionId, version, epoch }: Known,
  bound: boolean,
): Frame<"pong"> {
  return { v: FRAME_VERSION, type: "pong", nonce, state, sessionId, version, epoch, bound };
}
