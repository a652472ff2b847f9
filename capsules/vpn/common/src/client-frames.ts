/**
 * What a client says: made by the client, and parsed by the gateway as the untrusted data it is. A client that can
 * prove its key can still send anything.
 */
import { type Bound, metBy, parseBound } from "./bound.ts";
import { fieldsOf, FRAME_VERSION, isCount, isNonce, isReason, isSessionId } from "./frame.ts";

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
      /** Bytes the ping takes and its answer is to take. */
      readonly size: number;
      /** Why the client's active path is below its policy; null: it is not. */
      readonly below: string | null;
      /** The number that says whether it is; absent: the client has not judged it. */
      readonly bound?: Bound;
    };

type Type = ClientFrame["type"];
type Frame<T extends Type> = { readonly v: number } & Extract<ClientFrame, { readonly type: T }>;

const FIELDS: { readonly [T in Type]: readonly string[] } = {
  create: ["v", "type", "nonce"],
  reattach: ["v", "type", "nonce", "sessionId", "epoch", "version"],
  close: ["v", "type", "nonce", "sessionId"],
  ping: ["v", "type", "nonce", "sessionId", "size", "below"],
};
/** Those it may have beside them. */
const MORE: { readonly [T in Type]?: readonly string[] } = { ping: ["bound"] };
/** A datagram that IP need not cut; whoever wants to know more of a path looks at it by other means. */
export const MAX_PING_BYTES = 1400;

/** Undefined for anything that is not exactly a frame of a client; unknown fields included. */
export function parseClientFrame(frame: unknown): ClientFrame | undefined {
  const given = fieldsOf(frame);
  if (given === undefined) return undefined;
  const { v, type, nonce, sessionId, epoch, version, size, below } = given;
  if (v !== FRAME_VERSION || typeof type !== "string" || !Object.hasOwn(FIELDS, type)) return undefined;
  const fields = FIELDS[type as Type];
  const more = MORE[type as Type] ?? [];
  const names = Object.keys(given).filter((name) => !more.includes(name));
  if (names.length !== fields.length || !names.every((name) => fields.includes(name))) return undefined;
  if (!isNonce(nonce)) return undefined;
  if (type === "create") return { type, nonce };
  if (!isSessionId(sessionId)) return undefined;
  if (type === "close") return { type, nonce, sessionId };
  if (type === "ping") {
    if (!isCount(size) || size > MAX_PING_BYTES) return undefined;
    if (below !== null && !isReason(below)) return undefined;
    if (given["bound"] === undefined) return { type, nonce, sessionId, size, below };
    const bound = parseBound(given["bound"]);
    return bound === null ? undefined : { type, nonce, sessionId, size, below, bound };
  }
  if (!isCount(epoch) || !isCount(version)) return undefined;
  return { type: "reattach", nonce, sessionId, epoch, version };
}

export function create(nonce: string): Frame<"create"> {
  return { v: FRAME_VERSION, type: "create", nonce };
}

export function reattach(
  nonce: string,
  sessionId: string,
  epoch: number,
  version: number,
): Frame<"reattach"> {
  return { v: FRAME_VERSION, type: "reattach", nonce, sessionId, epoch, version };
}

export function close(nonce: string, sessionId: string): Frame<"close"> {
  return { v: FRAME_VERSION, type: "close", nonce, sessionId };
}

export function ping(
  nonce: string,
  sessionId: string,
  size: number,
  below: string | null,
  bound: Bound | null = null,
): Frame<"ping"> {
  return { v: FRAME_VERSION, type: "ping", nonce, sessionId, size, below, ...metBy(bound) };
}
