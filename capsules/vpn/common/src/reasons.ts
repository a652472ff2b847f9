/** Why a session moved, why a request changed nothing, and what a gateway says by itself; each code with its meaning. */

/** Every transition carries exactly one. */
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

/** Of the gateway itself, beside those a session gives. */
export const GATEWAY_REASONS = {
  PEER_NOT_ADMITTED: "the client's key is not admitted here; the channel is closed",
  FRAME_MALFORMED: "the frame is not one of this protocol and version",
  RATE_LIMITED: "the client sent more frames than it may",
  GATEWAY_OVERLOADED: "all clients together sent more frames than the gateway works on: wait",
  BOUND_ELSEWHERE: "the nonce was accepted over another channel: reattach with the epoch given here",
  GATEWAY_BUSY: "the request was not decided in time: repeat it with the same nonce",
  GATEWAY_DRAINING: "the gateway is being emptied: take another one",
  UNBOUND: "the channel carried no session for too long and was closed",
} as const;

export type GatewayReason = keyof typeof GATEWAY_REASONS;
