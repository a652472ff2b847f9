/** The vocabulary of Jumping VPN, one source for session, gateway and client (docs/protocol.md). Pure; it imports nothing. */
export { type Bound, boundOf, metBy, parseBound, silenceMet } from "./bound.ts";
export * as clientFrames from "./client-frames.ts";
export type { ClientFrame } from "./client-frames.ts";
export { counted, type Counts, MAX_NAMES } from "./counted.ts";
export type { Moved, Rejected, Step } from "./decision.ts";
export {
  closeWindow,
  DENIAL_TOPIC,
  DENIAL_WINDOW_MS,
  type Denial,
  type DenialWindow,
  type Denied,
  deny,
  MAX_WINDOWS,
  noteDenial,
  onDenialsDue,
  withBound,
} from "./denial.ts";
export type { SessionEvent, Trigger } from "./events.ts";
export { FRAME_VERSION } from "./frame.ts";
export * as gatewayFrames from "./gateway-frames.ts";
export type { GatewayFrame, Standing } from "./gateway-frames.ts";
export { assertSession, assertStep, InvariantViolation } from "./invariants.ts";
export { type Binding, type Session, SWITCH_WINDOW_MS } from "./models.ts";
export { type Outcome, SESSION_TOPIC, type SessionMoved } from "./outcome.ts";
export {
  CLIENT_POLICY,
  type ClientPolicy,
  type ParsedPolicy,
  parsePolicy,
  type PolicyField,
  type PolicyTable,
  SESSION_POLICY,
  type SessionPolicy,
  usualPolicy,
} from "./policy.ts";
export { policySchema } from "./policy-schema.ts";
export {
  GATEWAY_REASONS,
  type GatewayReason,
  REJECTION_REASONS,
  type RejectionReason,
  TERMINATE_CAUSES,
  type TerminateCause,
  TRANSITION_REASONS,
  type TransitionReason,
} from "./reasons.ts";
export { BINDINGS, type State } from "./states.ts";
