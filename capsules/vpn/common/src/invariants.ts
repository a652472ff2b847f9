/**
 * What must hold of every session and every transition, whatever the table says; numbered as in docs/invariants.md.
 * A violation is a bug: it throws, the turn fails and keeps nothing.
 */
import type { Trigger } from "./events.ts";
import { type Session, SWITCH_WINDOW_MS } from "./models.ts";
import { BINDINGS } from "./states.ts";

export class InvariantViolation extends Error {
  readonly invariant: string;

  constructor(invariant: string, what: string) {
    super(`${invariant} does not hold: ${what}`);
    this.name = "InvariantViolation";
    this.invariant = invariant;
  }
}

/** `what` is put into words only when it has to be said. */
function hold(condition: boolean, invariant: string, what: () => string): void {
  if (!condition) throw new InvariantViolation(invariant, what());
}

/** Holds of a session at rest. */
export function assertSession(session: Session): void {
  const bindings = session.binding === null ? 0 : 1;
  hold(bindings === BINDINGS[session.state], "V1", () => `${session.state} with ${bindings} bindings`);
  hold(
    session.version >= 1 && session.epoch >= 0 && session.epoch < session.version,
    "V4",
    () => "version below epoch",
  );
  const running = session.lossSince !== null;
  const unconfirmed =
    session.state === "BIRTH" || session.state === "VOLATILE" || session.state === "RECOVERING";
  hold(running === unconfirmed, "V6", () => `loss clock ${running ? "runs" : "stands"} in ${session.state}`);
  let window = 0;
  for (const at of session.switches) if (at > session.changedAt - SWITCH_WINDOW_MS) window++;
  hold(window <= session.policy.maxSwitchesPerMinute, "V7", () => `${window} switches within a minute`);
}

/** Holds of a transition; `row` is what the table says it does. */
export function assertStep(
  before: Session,
  after: Session,
  row: { readonly trigger: Trigger; readonly binding: "take" | "keep" | "drop" },
  at: number,
): void {
  assertSession(after);
  hold(before.state !== "TERMINATED", "V2", () => "a terminated session moved");
  hold(
    after.id === before.id && after.owner === before.owner && after.createdAt === before.createdAt,
    "V3",
    () => "identity changed",
  );
  hold(after.version === before.version + 1, "V4", () => `version ${before.version} to ${after.version}`);
  const bound = row.binding === "take" ? 1 : 0;
  hold(after.epoch === before.epoch + bound, "V5", () => `epoch ${before.epoch} to ${after.epoch}`);
  hold(
    row.trigger !== "transportLost" || after.state !== "TERMINATED",
    "V8",
    () => "transport death ended the session",
  );
  hold(at >= before.changedAt, "V9", () => `time went back from ${before.changedAt} to ${at}`);
}
