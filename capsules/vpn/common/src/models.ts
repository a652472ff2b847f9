/** The record of a session, as its owner keeps it. Type aliases, so that they are assignable to JSON. */
import type { SessionPolicy } from "./policy.ts";
import type { TransitionReason } from "./reasons.ts";
import type { State } from "./states.ts";

export type Binding = { readonly channelId: string; readonly pathId: string; readonly at: number };

export type Session = {
  readonly id: string;
  /** Static key of the client, base64. The session belongs to it, never to a channel. */
  readonly owner: string;
  /** As it was when the session was made; a later change of configuration is for later sessions. */
  readonly policy: SessionPolicy;
  readonly createdAt: number;
  readonly state: State;
  /** 1 at birth, +1 with every transition. */
  readonly version: number;
  /** 0 at birth, +1 with every bind. */
  readonly epoch: number;
  readonly binding: Binding | null;
  /** Since when no transport is confirmed; null while one is. The transport-loss clock runs from here. */
  readonly lossSince: number | null;
  /** Times of the reattaches of the last minute, oldest first. */
  readonly switches: readonly number[];
  /** Of the last transition. */
  readonly reason: TransitionReason;
  readonly changedAt: number;
};

/** What "per minute" means of switches: any 60 s, of a session and of a client. */
export const SWITCH_WINDOW_MS = 60_000;
