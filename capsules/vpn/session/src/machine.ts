/**
 * The session state machine: one table of legal transitions and the pure step over it.
 *
 * 1. What the table does not name is rejected, and a rejection changes nothing.
 * 2. Every transition raises the version by one and carries one reason; every bind raises the epoch by one.
 * 3. Time is in the event. A clock that is due acts before the event it meets, however late its timer.
 * 4. The transport-loss clock runs exactly while no transport is confirmed (BIRTH, VOLATILE, RECOVERING).
 */
import {
  assertStep,
  type Bound,
  boundOf,
  type Moved,
  type RejectionReason,
  type Session,
  type SessionEvent,
  SESSION_POLICY,
  type SessionPolicy,
  type State,
  type Step,
  SWITCH_WINDOW_MS,
  type TransitionReason,
  type Trigger,
} from "@vnes/vpn-common";

/** What decides a guard, with the reason it rejects for. */
type Guard = (session: Session, event: SessionEvent, at: number) => RejectionReason | null;

export interface Transition {
  readonly trigger: Trigger;
  readonly from: readonly State[];
  readonly to: State;
  /** Absent: always. The first row of a trigger and state whose `when` holds is the one that applies. */
  readonly when?: (session: Session, event: SessionEvent) => boolean;
  readonly guards: readonly (keyof typeof GUARDS)[];
  /** `cause`: the event's own. */
  readonly reason: TransitionReason | "cause";
  readonly binding: "take" | "keep" | "drop";
  readonly lossClock: "start" | "keep" | "stop";
  /** The field of the policy whose number decides; absent: none does. */
  readonly bound?: keyof SessionPolicy;
}

const GUARDS = {
  owner: (session, event) => ("owner" in event && event.owner === session.owner ? null : "OWNER_MISMATCH"),
  channelBound: (session, event) =>
    "channelId" in event && session.binding?.channelId === event.channelId ? null : "CHANNEL_NOT_BOUND",
  epochCurrent: (session, event) => {
    if (event.trigger !== "reattach" || event.epoch === session.epoch) return null;
    return event.epoch < session.epoch ? "EPOCH_STALE" : "EPOCH_AHEAD";
  },
  switchesLeft: (session, _event, at) =>
    recentSwitches(session, at).length < session.policy.maxSwitchesPerMinute ? null : "SWITCH_RATE_EXCEEDED",
  clockDue: (session, event, at) => (dueClock(session, at) === event.trigger ? null : "CLOCK_NOT_DUE"),
} satisfies Record<string, Guard>;

/** Guards that ask for a number; the row names which. */
const NUMBERED: readonly (keyof typeof GUARDS)[] = ["switchesLeft", "clockDue"];

const LIVE = ["BIRTH", "ATTACHED", "VOLATILE", "DEGRADED", "RECOVERING"] as const;
const BOUND = ["ATTACHED", "VOLATILE", "DEGRADED"] as const;

/** The owner claims a version this store never made: history was lost on one side, and guessing which is ambiguity. */
function ownerIsAhead(session: Session, event: SessionEvent): boolean {
  return event.trigger === "reattach" && event.owner === session.owner && event.version > session.version;
}

// biome-ignore format: one row a line reads as the table it is
export const TRANSITIONS: readonly Transition[] = [
  { trigger: "attach",        from: ["BIRTH"],                             to: "ATTACHED",   guards: ["owner"],                                  reason: "ATTACHED_FIRST",             binding: "take", lossClock: "stop" },
  { trigger: "reattach",      from: [...BOUND, "RECOVERING"],              to: "TERMINATED", guards: ["owner"], when: ownerIsAhead,              reason: "VERSION_AHEAD",              binding: "drop", lossClock: "stop" },
  { trigger: "reattach",      from: [...BOUND, "RECOVERING"],              to: "ATTACHED",   guards: ["owner", "epochCurrent", "switchesLeft"],  reason: "REATTACHED",                 binding: "take", lossClock: "stop",  bound: "maxSwitchesPerMinute" },
  { trigger: "pathSilent",    from: ["ATTACHED", "DEGRADED"],              to: "VOLATILE",   guards: ["channelBound"],                           reason: "PATH_SILENT",                binding: "keep", lossClock: "start" },
  { trigger: "pathAlive",     from: ["VOLATILE"],                          to: "ATTACHED",   guards: ["channelBound"],                           reason: "PATH_ALIVE",                 binding: "keep", lossClock: "stop" },
  { trigger: "transportLost", from: BOUND,                                 to: "RECOVERING", guards: ["channelBound"],                           reason: "TRANSPORT_LOST",             binding: "drop", lossClock: "start" },
  { trigger: "degrade",       from: ["ATTACHED"],                          to: "DEGRADED",   guards: [],                                         reason: "BELOW_POLICY",               binding: "keep", lossClock: "keep" },
  { trigger: "restore",       from: ["DEGRADED"],                          to: "ATTACHED",   guards: [],                                         reason: "POLICY_MET",                 binding: "keep", lossClock: "keep" },
  { trigger: "terminate",     from: LIVE,                                  to: "TERMINATED", guards: [],                                         reason: "cause",                      binding: "drop", lossClock: "stop" },
  { trigger: "sessionClock",  from: LIVE,                                  to: "TERMINATED", guards: ["clockDue"],                               reason: "SESSION_TTL_EXPIRED",        binding: "drop", lossClock: "stop",  bound: "sessionTtlMs" },
  { trigger: "lossClock",     from: ["BIRTH", "VOLATILE", "RECOVERING"],   to: "TERMINATED", guards: ["clockDue"],                               reason: "TRANSPORT_LOSS_TTL_EXPIRED", binding: "drop", lossClock: "stop",  bound: "transportLossTtlMs" },
];

export function birth(id: string, owner: string, policy: SessionPolicy, at: number): Session {
  return {
    id,
    owner,
    policy,
    createdAt: at,
    state: "BIRTH",
    version: 1,
    epoch: 0,
    binding: null,
    lossSince: at,
    switches: [],
    reason: "CREATED",
    changedAt: at,
  };
}

export function step(session: Session, event: SessionEvent, at: number): Step {
  const due = dueClock(session, at);
  const acting: SessionEvent = due === null || due === event.trigger ? event : { trigger: due };
  const rejected = (reason: RejectionReason, bound: Bound | null = null): Step => ({
    kind: "rejected",
    reason,
    state: session.state,
    trigger: acting.trigger,
    allowedAt: reason === "SWITCH_RATE_EXCEEDED" ? nextSwitchAt(session, at) : null,
    bound,
  });
  if (session.state === "TERMINATED") return rejected("SESSION_TERMINATED");
  const row = TRANSITIONS.find(
    (candidate) =>
      candidate.trigger === acting.trigger &&
      candidate.from.includes(session.state) &&
      (candidate.when === undefined || candidate.when(session, acting)),
  );
  if (row === undefined) return rejected("TRANSITION_ILLEGAL");
  for (const name of row.guards) {
    const reason = GUARDS[name](session, acting, at);
    if (reason === null) continue;
    return rejected(reason, NUMBERED.includes(name) ? boundMet(row, session, at) : null);
  }
  const moved = move(session, row, acting, at);
  assertStep(session, moved.session, row, at);
  return moved;
}

function move(session: Session, row: Transition, event: SessionEvent, at: number): Moved {
  const binds = row.binding === "take" && "channelId" in event && "pathId" in event;
  const binding = binds
    ? { channelId: event.channelId, pathId: event.pathId, at }
    : row.binding === "keep"
      ? session.binding
      : null;
  const reason =
    row.reason !== "cause" ? row.reason : event.trigger === "terminate" ? event.cause : "POLICY_TERMINATED";
  const recent = recentSwitches(session, at);
  const after: Session = {
    ...session,
    state: row.to,
    version: session.version + 1,
    epoch: session.epoch + (binds ? 1 : 0),
    binding,
    lossSince:
      row.lossClock === "stop"
        ? null
        : row.lossClock === "keep"
          ? session.lossSince
          : (session.lossSince ?? at),
    switches: event.trigger === "reattach" && binds ? [...recent, at] : recent,
    reason,
    changedAt: at,
  };
  return {
    kind: "moved",
    from: session.state,
    trigger: event.trigger,
    reason,
    released: row.binding === "keep" ? null : session.binding,
    // A clock has run in the session as it was; a switch counts in the one it makes.
    bound: boundMet(row, row.binding === "take" ? after : session, at),
    session: after,
  };
}

/** How far the session is towards the number that decides this row. */
function boundMet({ bound }: Transition, session: Session, at: number): Bound | null {
  if (bound === undefined) return null;
  const values = {
    sessionTtlMs: at - session.createdAt,
    transportLossTtlMs: at - (session.lossSince ?? at),
    maxSwitchesPerMinute: recentSwitches(session, at).length,
  };
  return boundOf(SESSION_POLICY, bound, session.policy, values[bound]);
}

export function sessionDeadline(session: Session): number {
  return session.createdAt + session.policy.sessionTtlMs;
}

/** Null while a transport is confirmed. */
export function lossDeadline(session: Session): number | null {
  return session.lossSince === null ? null : session.lossSince + session.policy.transportLossTtlMs;
}

/** Whether a clock acts at `at` before anything else does. */
export function isDue(session: Session, at: number): boolean {
  return dueClock(session, at) !== null;
}

function dueClock(session: Session, at: number): "sessionClock" | "lossClock" | null {
  if (session.state === "TERMINATED") return null;
  const loss = lossDeadline(session);
  if (loss !== null && at >= loss && loss <= sessionDeadline(session)) return "lossClock";
  return at >= sessionDeadline(session) ? "sessionClock" : null;
}

export function recentSwitches(session: Session, at: number): readonly number[] {
  const { switches } = session;
  // They stand in the order of time.
  const first = switches.findIndex((switchedAt) => switchedAt > at - SWITCH_WINDOW_MS);
  return first === 0 ? switches : first < 0 ? [] : switches.slice(first);
}

function nextSwitchAt(session: Session, at: number): number {
  const recent = recentSwitches(session, at);
  const blocking = recent[recent.length - session.policy.maxSwitchesPerMinute];
  return (blocking ?? at) + SWITCH_WINDOW_MS;
}
