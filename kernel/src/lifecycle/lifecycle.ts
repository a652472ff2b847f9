/**
 * The life of a capsule: seven states and the transitions between them, in one table. Pure; `runtime/node/capsule-table.ts`
 * applies it, and each transition becomes a record and an event.
 *
 * L1. Nothing moves except by a row of the table.
 * L2. `quarantined` and `unloaded` are final; a retry, a release or a rebuild is a new discovery.
 */
import type { VnesError } from "@vnes/schemas";
import { lifecycleErrors } from "./errors.ts";

export const CAPSULE_STATES = [
  "discovered",
  "quarantined",
  "verified",
  "loaded",
  "active",
  "suspended",
  "unloaded",
] as const;
export type CapsuleState = (typeof CAPSULE_STATES)[number];

/** What happened to a capsule. `reason` is a code; where it is absent the event says it all. */
export type LifecycleEvent =
  | { readonly type: "admitted" }
  | { readonly type: "refused"; readonly reason: string }
  | { readonly type: "opened" }
  | { readonly type: "started" }
  | { readonly type: "suspended"; readonly reason: string }
  | { readonly type: "resumed"; readonly reason: string }
  | { readonly type: "stopped"; readonly reason: string };

export type LifecycleEventType = LifecycleEvent["type"];

interface Transition {
  readonly from: CapsuleState;
  readonly on: LifecycleEventType;
  readonly to: CapsuleState;
  /** Reason code when the event carries none. */
  readonly reason: string;
}

/** The user's diagram, and three ways out of states that never became active. */
export const TRANSITIONS: readonly Transition[] = [
  { from: "discovered", on: "admitted", to: "verified", reason: "RECEIPT_AND_SCHEMA_OK" },
  { from: "discovered", on: "refused", to: "quarantined", reason: "ADMISSION_REFUSED" },
  { from: "verified", on: "opened", to: "loaded", reason: "SANDBOX_OPENED" },
  { from: "loaded", on: "started", to: "active", reason: "STARTED" },
  { from: "active", on: "suspended", to: "suspended", reason: "SUSPENDED" },
  { from: "suspended", on: "resumed", to: "active", reason: "RESUMED" },
  { from: "active", on: "stopped", to: "unloaded", reason: "STOPPED" },
  { from: "verified", on: "stopped", to: "unloaded", reason: "NOT_LOADED" },
  { from: "loaded", on: "stopped", to: "unloaded", reason: "NOT_STARTED" },
  { from: "suspended", on: "stopped", to: "unloaded", reason: "NOT_RESUMED" },
];

export type Step =
  | { readonly kind: "moved"; readonly state: CapsuleState; readonly reason: string }
  | { readonly kind: "refused"; readonly error: VnesError };

/** Total: an event that no row allows is refused with `LIFECYCLE_TRANSITION_ILLEGAL`, and the state stays. */
export function step(state: CapsuleState, event: LifecycleEvent): Step {
  const row = TRANSITIONS.find(({ from, on }) => from === state && on === event.type);
  if (row === undefined) {
    const error = lifecycleErrors.create("LIFECYCLE_TRANSITION_ILLEGAL", { state, event: event.type });
    return { kind: "refused", error };
  }
  return { kind: "moved", state: row.to, reason: "reason" in event ? event.reason : row.reason };
}
