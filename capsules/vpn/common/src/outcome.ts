/** What the session's owner says: the answer to whoever asked, and the event of every transition. */
import type { Bound } from "./bound.ts";
import type { Trigger } from "./events.ts";
import type { RejectionReason, TransitionReason } from "./reasons.ts";
import type { State } from "./states.ts";

export const SESSION_TOPIC = "vpn.session.v1";

/** The same shape for every mutator of `vpn.session`. */
export type Outcome = {
  /** `terminated`: the session has ended, by this request or before it. */
  readonly outcome: "accepted" | "rejected" | "terminated";
  readonly reason: TransitionReason | RejectionReason;
  /** What moved the session or was rejected: the request, or the clock that was due before it. */
  readonly trigger: Trigger | "create";
  /** True when this nonce was answered before and the recorded answer is given again. */
  readonly repeated: boolean;
  /** Null when the asker may not know. */
  readonly sessionId: string | null;
  readonly state: State | null;
  readonly version: number;
  readonly epoch: number;
  /** The channel bound by the request this answers. */
  readonly channelId: string | null;
  /** The channel that was bound before it, when it was another. */
  readonly previousChannelId: string | null;
  /** For SWITCH_RATE_EXCEEDED: how long until a switch is allowed. */
  readonly retryAfterMs: number | null;
  /** The number that decided; null where none did, or the asker may not know. */
  readonly bound: Bound | null;
};

type Place = { readonly channelId: string; readonly pathId: string };

/** An event of `vpn.session.v1`. */
export type SessionMoved = {
  readonly sessionId: string;
  readonly owner: string;
  readonly version: number;
  /** Null: the session was born. */
  readonly from: State | null;
  readonly to: State;
  readonly trigger: Trigger | "create";
  readonly reason: TransitionReason;
  readonly epoch: number;
  readonly bindings: 0 | 1;
  readonly binding: Place | null;
  readonly released: Place | null;
  readonly at: number;
  /** What the reporter saw, and under `bound` the number that decided where one did. */
  readonly evidence: { readonly [name: string]: unknown };
};
