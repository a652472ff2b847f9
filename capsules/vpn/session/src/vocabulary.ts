/** The words of a session: its states, what moves it, why, and the record that is kept. */

/** Number of transport bindings a session has in each state. */
export const BINDINGS = {
  BIRTH: 0,
  ATTACHED: 1,
  VOLATILE: 1,
  DEGRADED: 1,
  RECOVERING: 0,
  TERMINATED: 0,
} as const;

export type State = keyof typeof BINDINGS;

/** Why a session moved. Every transition carries exactly one. */
export const TRANSITION_REASONS = {
  CREATED: "an admitted client asked for a session",
  ATTACHED_FIRST: "the first transport was bound",
  REATTACHED: "another transport was bound in place of the last one",
  PATH_SILENT: "nothing authenticated arrived on the bound channel for the silence time",
  PATH_ALIVE: "the bound channel was heard again",
  TRANSPORT_LOST: "the bound channel is gone",
  BELOW_POLICY: "the bound transport does less than policy asks",
  POLICY_MET: "the bound transport does what policy asks again",
  CLIENT_CLOSED: "the owner ended the session",
  OPERATOR_TERMINATED: "a person ended the session",
  POLICY_TERMINATED: "the gateway's policy ended the session",
  SESSION_TTL_EXPIRED: "the session reached its greatest age",
  TRANSPORT_LOSS_TTL_EXPIRED: "no transport was confirmed for as long as policy allows",
  VERSION_AHEAD: "the owner has seen a version this store never made: one of the two lost history",
} as const;

export type TransitionReason = keyof typeof TRANSITION_REASONS;

/** Why a request changed nothing. */
export const REJECTION_REASONS = {
  TRANSITION_ILLEGAL: "the table has no such transition from this state",
  SESSION_UNKNOWN: "there is no such session here, or no longer",
  SESSION_TERMINATED: "the session has ended; TERMINATED is absorbing",
  OWNER_MISMATCH: "the session belongs to another key",
  OWNER_HAS_SESSION: "this key already has a live session",
  SESSIONS_FULL: "the store holds as many live sessions as it may",
  ALREADY_ATTACHED: "the session was already attached over another channel: reattach",
  CHANNEL_NOT_BOUND: "the channel is not the one bound to the session",
  EPOCH_STALE: "a later bind than the one the client knows has happened",
  EPOCH_AHEAD: "the client claims a bind that never happened",
  SWITCH_RATE_EXCEEDED: "the session switched as often as policy allows in a minute",
  VERSION_CONFLICT: "the session is not at the expected version",
  CLOCK_NOT_DUE: "the clock that fired is not due",
} as const;

export type RejectionReason = keyof typeof REJECTION_REASONS;

export const TERMINATE_CAUSES = ["CLIENT_CLOSED", "OPERATOR_TERMINATED", "POLICY_TERMINATED"] as const;
export type TerminateCause = (typeof TERMINATE_CAUSES)[number];

export type SessionPolicy = {
  /** Greatest age of a session, from its creation. */
  readonly sessionTtlMs: number;
  /** Longest time without a confirmed transport. */
  readonly transportLossTtlMs: number;
  /** Reattaches within any 60 s. */
  readonly maxSwitchesPerMinute: number;
};

export type Binding = { readonly channelId: string; readonly pathId: string; readonly at: number };

/** Kept as JSON under `ses/<id>`; a type alias, so that it is assignable to Json. */
export type Session = {
  readonly id: string;
  /** Static key of the client, base64. The session belongs to it, never to a channel. */
  readonly owner: string;
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

export const SWITCH_WINDOW_MS = 60_000;
