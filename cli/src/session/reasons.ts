/**
 * What each reason code means to a person, as the second half of a sentence, and what they can do about it. The codes are
 * those of docs/protocol.md; a test holds the two together, and capsules are not asked: one that is newer than this table
 * names a reason this says nothing of, and then the code itself is shown.
 */

import { type Sentence, there, wordsOf } from "./sentence.ts";

export interface Reason {
  /** Completes "because ...". */
  readonly because: string;
  /** What a person can do, where there is something: a sentence. */
  readonly next?: Sentence;
}

const LOOK_AT_TRANSPORT = "Look at the transport of both nodes: vnes call vpn.transport status.";
const NEW_SESSION = there("For a new session, on the client's node: vnes call vpn.client renew.");
const ADMIT = "Name the client's key under admit of vnes.vpn.gateway and boot the gateway again.";
const SAME_VERSION = "Run the same version of vnes on both nodes.";

export const REASONS: { readonly [code: string]: Reason } = {
  // Of a transition.
  CREATED: { because: "an admitted client asked for a session" },
  ATTACHED_FIRST: { because: "its first transport was bound" },
  REATTACHED: { because: "its client brought another transport in place of the last one" },
  PATH_SILENT: {
    because: "nothing authenticated arrived over its path for the silence time",
    next: LOOK_AT_TRANSPORT,
  },
  PATH_ALIVE: { because: "its path was heard again" },
  TRANSPORT_LOST: { because: "the channel that carried it is gone", next: LOOK_AT_TRANSPORT },
  BELOW_POLICY: { because: "its transport does less than the policy asks" },
  POLICY_MET: { because: "its transport does what the policy asks again" },
  CLIENT_CLOSED: { because: "it was closed on the client's node", next: NEW_SESSION },
  OPERATOR_TERMINATED: { because: "a person ended it", next: NEW_SESSION },
  POLICY_TERMINATED: { because: "the gateway's policy ended it", next: ADMIT },
  SESSION_TTL_EXPIRED: { because: "it reached the greatest age its policy allows", next: NEW_SESSION },
  TRANSPORT_LOSS_TTL_EXPIRED: {
    because: "no transport was confirmed for as long as its policy allows",
    next: NEW_SESSION,
  },
  VERSION_AHEAD: {
    because: "its client has seen a version the gateway never made, so one of the two lost history",
    next: there(
      `If a gateway's data directory was put back from a copy, that is why. ${wordsOf(NEW_SESSION)}`,
    ),
  },
  // Of a rejection.
  TRANSITION_ILLEGAL: { because: "there is no such transition from the state it was in" },
  SESSION_UNKNOWN: { because: "there is no such session at the gateway, or no longer", next: NEW_SESSION },
  SESSION_TERMINATED: { because: "it had ended already", next: NEW_SESSION },
  OWNER_MISMATCH: { because: "it belongs to another key than the one that asked" },
  OWNER_HAS_SESSION: {
    because: "the key that asked has a live session already",
    next: "End the other session first: vnes session list, then vnes session terminate.",
  },
  SESSIONS_FULL: { because: "the gateway keeps as many live sessions as it may" },
  ALREADY_ATTACHED: { because: "it was attached over another channel already" },
  CHANNEL_NOT_BOUND: { because: "the channel named was not the one bound to it" },
  EPOCH_STALE: { because: "a later bind than the one the client knew of had happened" },
  EPOCH_AHEAD: { because: "the client claimed a bind that never happened" },
  SWITCH_RATE_EXCEEDED: {
    because: "it switched as often as its policy allows in a minute",
    next: "If its paths flap for a good reason, raise policy.maxSwitchesPerMinute of vnes.vpn.gateway.",
  },
  VERSION_CONFLICT: { because: "it was not at the version the request expected" },
  CLOCK_NOT_DUE: { because: "the clock that fired was not due" },
  // Of the gateway.
  PEER_NOT_ADMITTED: { because: "the client's key is not admitted by the gateway", next: ADMIT },
  FRAME_MALFORMED: { because: "a frame was not one of this protocol and version", next: SAME_VERSION },
  RATE_LIMITED: {
    because: "the client sent more frames than it may",
    next: "If that is its ordinary work, raise requestsPerMinute of vnes.vpn.gateway.",
  },
  GATEWAY_OVERLOADED: {
    because: "all clients together sent more frames than the gateway works on",
    next: "If that is their ordinary work, raise framesPerMinute of vnes.vpn.gateway; vnes status shows the load.",
  },
  BOUND_ELSEWHERE: { because: "the same request was accepted over another channel" },
  GATEWAY_BUSY: {
    because: "the gateway did not decide in time",
    next: "Look at the load of the gateway: vnes status.",
  },
  GATEWAY_DRAINING: {
    because: "the gateway is being emptied and takes no session",
    next: there(
      `To have it take sessions again, on the gateway's node: vnes call vpn.gateway drain '{"on":false}'.`,
    ),
  },
  UNBOUND: { because: "a channel carried no session for too long and was closed" },
  // Of the client.
  NOT_CONFIGURED: {
    because: "no gateway is configured",
    next: "Give vnes.vpn.client a gateway and candidates, and boot the node again.",
  },
  STARTED: { because: "the client has started and there is no session yet" },
  RESTARTED: { because: "the client started anew and takes every channel for gone" },
  SLEPT: { because: "the machine slept, and what the client knew of its path is old" },
  ADDRESSES_CHANGED: { because: "the machine's addresses are others than before" },
  SEND_FAILED: {
    because: "the system has no way to send over its path",
    next: "Look at the machine's network: ip route.",
  },
  PING_ANSWERED: { because: "the gateway answered over its path" },
  CHECKING: { because: "its path is asked first, and another is tried only when it does not answer" },
  LOSS_ABOVE_POLICY: { because: "its path loses a greater share of pings than the policy allows" },
  LATENCY_ABOVE_POLICY: { because: "the round trip over its path is longer than the policy allows" },
  PINGS_UNANSWERED: { because: "its channel is alive, but nobody answers over it", next: LOOK_AT_TRANSPORT },
  LARGE_FRAMES_LOST: {
    because: "small frames pass over the path and large ones do not",
    next: "Look for a link with a small MTU on that path.",
  },
  JUMP_ASKED: { because: "a person asked for another path" },
  CHANNEL_CLOSED: { because: "the active channel was closed", next: LOOK_AT_TRANSPORT },
  CHANNEL_NOT_LISTED: {
    because: "the transport no longer lists the active channel",
    next: LOOK_AT_TRANSPORT,
  },
  SET_ACTIVE_FAILED: { because: "the transport could not make the channel active", next: LOOK_AT_TRANSPORT },
  COOLDOWN: {
    because: "the last switch is too recent to leave a channel that is still open",
  },
  SWITCHES_EXCEEDED: {
    because: "the client switched as often as its policy allows in a minute",
    next: "If its paths flap for a good reason, raise policy.maxSwitchesPerMinute of vnes.vpn.client.",
  },
  ROUND_FAILED: {
    because: "every candidate was tried and failed",
    next: "See that one candidate's address and port lead to the gateway: vnes call vpn.client status.",
  },
  JUMP_FAILED: { because: "the path a person asked for did not work, and it stayed where it was" },
  NOT_STEADY: {
    because: "a jump was asked for while the client was in trouble or tried another path",
  },
  PATH_UNKNOWN: { because: "the path a person asked for is none of the candidates" },
  NO_ANSWER: { because: "the gateway did not answer over this path" },
  ANSWER_UNFIT: { because: "the gateway's answer did not fit the session", next: SAME_VERSION },
  RECOVERY_EXPIRED: { because: "no transport was attached within the recovery window", next: NEW_SESSION },
  CONNECT_EXPIRED: {
    because: "no session was made within the connect window",
    next: "See that a candidate leads to the gateway, then boot the client again.",
  },
  GATEWAY_CHANGED: {
    because: "the configuration names another gateway than the one that owns the session",
    next: NEW_SESSION,
  },
  RENEW_ASKED: { because: "a person asked for a new session after the end of the last" },
};

/** Why an attempt over a path came to nothing: codes of the transport, and of a call that did not reach it. */
export const FAILURES: { readonly [code: string]: string } = {
  TRANSPORT_OPEN_TIMEOUT: "nothing that could be verified answered over it in time",
  TRANSPORT_OPEN_REFUSED: "nobody takes connections there, or the system has no way there",
  TRANSPORT_OPEN_FOREIGN: "somebody else than the gateway answers there, such as a captive portal",
  TRANSPORT_CHANNEL_UNKNOWN: "its channel was gone before it was used",
  TRANSPORT_FRAME_TOO_LARGE: "the request is larger than a channel takes",
  TRANSPORT_BACKPRESSURE: "its channel has too many bytes waiting",
  TRANSPORT_STOPPED: "the transport was stopping",
  CALL_TIMEOUT: "the transport did not answer in time",
  CALL_DROPPED_ON_RECOVERY: "the node was started again in between",
  CALL_CAPABILITY_UNAVAILABLE: "no transport runs on this node",
};

/** A code these tables have no sentence for is shown as it is. */
export function because(code: string): string {
  return REASONS[code]?.because ?? FAILURES[code] ?? `of ${code}`;
}
