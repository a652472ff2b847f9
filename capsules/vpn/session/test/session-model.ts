/**
 * What docs/protocol.md says of sessions, written down a second time and as plainly as possible: one branch after the
 * other, no table, and nothing imported, so that it shares no mistake with the capsule. It is slow, and knows one store.
 */

export interface ModelPolicy {
  readonly sessionTtlMs: number;
  readonly transportLossTtlMs: number;
  readonly maxSwitchesPerMinute: number;
}

export interface ModelEvent {
  readonly trigger: string;
  readonly owner?: string;
  readonly epoch?: number;
  readonly version?: number;
  readonly channelId?: string;
  readonly cause?: string;
}

export interface ModelAnswer {
  readonly kind: "moved" | "rejected";
  readonly reason: string;
  readonly trigger: string;
  /** When the next switch is allowed, of a rejection for that. */
  readonly allowedAt: number | null;
  /** The number that decided: name and value. */
  readonly bound: string | null;
  readonly released: string | null;
}

export class ModelSession {
  readonly owner: string;
  readonly policy: ModelPolicy;
  readonly bornAt: number;
  state = "BIRTH";
  version = 1;
  epoch = 0;
  channel: string | null = null;
  /** Since when no transport is confirmed. */
  quietSince: number | null;
  jumps: number[] = [];
  reason = "CREATED";
  movedAt: number;

  constructor(owner: string, policy: ModelPolicy, at: number) {
    this.owner = owner;
    this.policy = policy;
    this.bornAt = at;
    this.quietSince = at;
    this.movedAt = at;
  }

  get endOfLife(): number {
    return this.bornAt + this.policy.sessionTtlMs;
  }

  get endOfQuiet(): number | null {
    return this.quietSince === null ? null : this.quietSince + this.policy.transportLossTtlMs;
  }

  /** A clock's deadline has come, whether or not its timer has fired. */
  isDue(at: number): boolean {
    if (this.state === "TERMINATED") return false;
    return this.endOfLife <= at || (this.endOfQuiet !== null && this.endOfQuiet <= at);
  }

  jumpsWithinMinute(at: number): number[] {
    return this.jumps.filter((one) => at - one < 60_000);
  }

  happen(event: ModelEvent, at: number): ModelAnswer {
    const { trigger } = event;
    if (this.state === "TERMINATED") return no("SESSION_TERMINATED", trigger);
    const quiet = this.endOfQuiet;
    // A clock that is due acts before the event: the earlier deadline first, and at the same one the loss clock.
    if (quiet !== null && quiet <= at && quiet <= this.endOfLife) return this.#quietEnds(at);
    if (this.endOfLife <= at) return this.#lifeEnds(at);
    const mine = event.owner === this.owner;
    const bound = this.channel !== null && event.channelId === this.channel;
    const attached = this.state === "ATTACHED" || this.state === "VOLATILE" || this.state === "DEGRADED";
    switch (trigger) {
      case "attach":
        if (this.state !== "BIRTH") return no("TRANSITION_ILLEGAL", trigger);
        if (!mine) return no("OWNER_MISMATCH", trigger);
        this.#bind(event.channelId as string);
        return this.#moved("ATTACHED", "ATTACHED_FIRST", trigger, at, null);
      case "reattach": {
        if (!attached && this.state !== "RECOVERING") return no("TRANSITION_ILLEGAL", trigger);
        if (!mine) return no("OWNER_MISMATCH", trigger);
        if ((event.version as number) > this.version) return this.#end("VERSION_AHEAD", trigger, at);
        if ((event.epoch as number) < this.epoch) return no("EPOCH_STALE", trigger);
        if ((event.epoch as number) > this.epoch) return no("EPOCH_AHEAD", trigger);
        const recent = this.jumpsWithinMinute(at);
        const most = this.policy.maxSwitchesPerMinute;
        if (recent.length >= most) {
          // Allowed again when so many have left the minute that one less than the most is in it.
          const allowedAt = (recent[recent.length - most] as number) + 60_000;
          return {
            ...no("SWITCH_RATE_EXCEEDED", trigger),
            allowedAt,
            bound: `policy.maxSwitchesPerMinute ${recent.length}`,
          };
        }
        const before = this.channel;
        this.#bind(event.channelId as string);
        this.jumps = [...recent, at];
        const met = `policy.maxSwitchesPerMinute ${this.jumps.length}`;
        return { ...this.#moved("ATTACHED", "REATTACHED", trigger, at, met), released: before };
      }
      case "pathSilent":
        if (this.state !== "ATTACHED" && this.state !== "DEGRADED") return no("TRANSITION_ILLEGAL", trigger);
        if (!bound) return no("CHANNEL_NOT_BOUND", trigger);
        this.quietSince = at;
        return this.#moved("VOLATILE", "PATH_SILENT", trigger, at, null);
      case "pathAlive":
        if (this.state !== "VOLATILE") return no("TRANSITION_ILLEGAL", trigger);
        if (!bound) return no("CHANNEL_NOT_BOUND", trigger);
        this.quietSince = null;
        return this.#moved("ATTACHED", "PATH_ALIVE", trigger, at, null);
      case "transportLost": {
        if (!attached) return no("TRANSITION_ILLEGAL", trigger);
        if (!bound) return no("CHANNEL_NOT_BOUND", trigger);
        const before = this.channel;
        this.channel = null;
        this.quietSince ??= at;
        return { ...this.#moved("RECOVERING", "TRANSPORT_LOST", trigger, at, null), released: before };
      }
      case "degrade":
        if (this.state !== "ATTACHED") return no("TRANSITION_ILLEGAL", trigger);
        return this.#moved("DEGRADED", "BELOW_POLICY", trigger, at, null);
      case "restore":
        if (this.state !== "DEGRADED") return no("TRANSITION_ILLEGAL", trigger);
        return this.#moved("ATTACHED", "POLICY_MET", trigger, at, null);
      case "terminate":
        return this.#end(event.cause as string, trigger, at);
      case "sessionClock":
        return { ...no("CLOCK_NOT_DUE", trigger), bound: `policy.sessionTtlMs ${at - this.bornAt}` };
      case "lossClock":
        // It runs nowhere but in BIRTH, VOLATILE and RECOVERING.
        if (this.quietSince === null) return no("TRANSITION_ILLEGAL", trigger);
        return {
          ...no("CLOCK_NOT_DUE", trigger),
          bound: `policy.transportLossTtlMs ${at - this.quietSince}`,
        };
      default:
        throw new Error(`the protocol has no ${trigger}`);
    }
  }

  #quietEnds(at: number): ModelAnswer {
    const met = `policy.transportLossTtlMs ${at - (this.quietSince as number)}`;
    return { ...this.#end("TRANSPORT_LOSS_TTL_EXPIRED", "lossClock", at), bound: met };
  }

  #lifeEnds(at: number): ModelAnswer {
    const met = `policy.sessionTtlMs ${at - this.bornAt}`;
    return { ...this.#end("SESSION_TTL_EXPIRED", "sessionClock", at), bound: met };
  }

  #bind(channel: string): void {
    this.channel = channel;
    this.epoch++;
    this.quietSince = null;
  }

  #end(reason: string, trigger: string, at: number): ModelAnswer {
    const before = this.channel;
    this.channel = null;
    this.quietSince = null;
    return { ...this.#moved("TERMINATED", reason, trigger, at, null), released: before };
  }

  #moved(state: string, reason: string, trigger: string, at: number, bound: string | null): ModelAnswer {
    this.state = state;
    this.version++;
    this.reason = reason;
    this.movedAt = at;
    return { kind: "moved", reason, trigger, allowedAt: null, bound, released: null };
  }
}

function no(reason: string, trigger: string): ModelAnswer {
  return { kind: "rejected", reason, trigger, allowedAt: null, bound: null, released: null };
}

/** What a method of `vpn.session` answers, as far as the protocol says it. */
export interface ModelOutcome {
  readonly outcome: string;
  readonly reason: string;
  readonly trigger: string;
  readonly repeated: boolean;
  readonly sessionId: string | null;
  readonly state: string | null;
  readonly version: number;
  readonly epoch: number;
  readonly channelId: string | null;
  readonly previousChannelId: string | null;
  readonly retryAfterMs: number | null;
  readonly bound: string | null;
}

export class ModelStore {
  readonly sessions = new Map<string, ModelSession>();
  readonly #answers = new Map<string, { nonce: string; outcome: ModelOutcome }[]>();
  readonly #creations = new Map<string, { nonce: string; id: string }[]>();

  /** The owner's clocks act at their deadlines, not when somebody asks; those whose timers were late act at `from`. */
  timePasses(now: number, from: number): void {
    for (const session of this.sessions.values()) {
      if (session.state === "TERMINATED") continue;
      const due = Math.min(session.endOfLife, session.endOfQuiet ?? session.endOfLife);
      if (due <= now) session.happen({ trigger: "sessionClock" }, Math.max(due, from));
    }
  }

  /** A clock that is due acts before the event that meets its session, however late its timer fires. */
  #meets(id: string, at: number): void {
    const session = this.sessions.get(id);
    if (session?.isDue(at) === true) session.happen({ trigger: "sessionClock" }, at);
  }

  /** `freshId` is what the store will call a session it makes. */
  create(owner: string, nonce: string, policy: ModelPolicy, freshId: string, at: number): ModelOutcome {
    const creations = this.#creations.get(owner) ?? [];
    const earlier = creations.find((one) => one.nonce === nonce);
    if (earlier !== undefined) {
      this.#meets(earlier.id, at);
      return { ...this.#stands(earlier.id, "accepted", "CREATED", "create"), repeated: true };
    }
    for (const [id, one] of this.sessions) if (one.owner === owner) this.#meets(id, at);
    const live = [...this.sessions.values()].some((one) => one.owner === owner && one.state !== "TERMINATED");
    if (live) return { ...unknown("OWNER_HAS_SESSION", "create"), bound: "liveSessionsOfOneKey 1" };
    this.sessions.set(freshId, new ModelSession(owner, policy, at));
    this.#creations.set(owner, [...creations, { nonce, id: freshId }].slice(-4));
    return this.#stands(freshId, "accepted", "CREATED", "create");
  }

  /** Attach and reattach: decided once for each nonce. */
  bind(id: string, nonce: string, event: ModelEvent, at: number): ModelOutcome {
    const session = this.sessions.get(id);
    if (session === undefined) return unknown("SESSION_UNKNOWN", event.trigger);
    if (session.owner !== event.owner) return unknown("OWNER_MISMATCH", event.trigger);
    if (session.state === "TERMINATED")
      return this.#stands(id, "rejected", "SESSION_TERMINATED", event.trigger);
    // The end is what is decided, and no answer from before it.
    if (session.isDue(at)) return this.#apply(id, session, event, at);
    const answers = this.#answers.get(id) ?? [];
    const earlier = answers.find((one) => one.nonce === nonce);
    if (earlier !== undefined) return { ...earlier.outcome, repeated: true };
    const wasAttached = session.epoch > 0;
    let outcome = this.#apply(id, session, event, at);
    if (event.trigger === "attach" && wasAttached && outcome.outcome === "rejected") {
      outcome = this.#stands(id, "rejected", "ALREADY_ATTACHED", "attach");
    }
    if (outcome.outcome !== "terminated") this.#answers.set(id, [...answers, { nonce, outcome }].slice(-4));
    return outcome;
  }

  /** What is reported of a session, and its end; `expected` is compare-and-set. */
  report(id: string, event: ModelEvent, expected: number | undefined, at: number): ModelOutcome {
    const session = this.sessions.get(id);
    if (session === undefined) return unknown("SESSION_UNKNOWN", event.trigger);
    if (event.trigger === "terminate" && event.owner !== undefined && event.owner !== session.owner) {
      return unknown("OWNER_MISMATCH", "terminate");
    }
    // A version was expected of a session that lives; one whose time is over ends whatever was.
    if (expected !== undefined && expected !== session.version && !session.isDue(at)) {
      return this.#stands(id, "rejected", "VERSION_CONFLICT", event.trigger);
    }
    return this.#apply(id, session, event, at);
  }

  #apply(id: string, session: ModelSession, event: ModelEvent, at: number): ModelOutcome {
    const epochBefore = session.epoch;
    const { kind, reason, trigger, allowedAt, bound, released } = session.happen(event, at);
    const outcome = {
      ...this.#stands(id, kind === "moved" ? "accepted" : "rejected", reason, trigger),
      bound,
    };
    if (kind === "rejected") return { ...outcome, retryAfterMs: allowedAt === null ? null : allowedAt - at };
    const channelId = session.epoch > epochBefore ? session.channel : null;
    return { ...outcome, channelId, previousChannelId: released === channelId ? null : released };
  }

  /** An ended session has one answer: that, and what it ended for. */
  #stands(id: string, outcome: string, reason: string, trigger: string): ModelOutcome {
    const session = this.sessions.get(id) as ModelSession;
    const ended = session.state === "TERMINATED";
    return {
      ...unknown(ended ? session.reason : reason, trigger),
      outcome: ended ? "terminated" : outcome,
      sessionId: id,
      state: session.state,
      version: session.version,
      epoch: session.epoch,
    };
  }
}

function unknown(reason: string, trigger: string): ModelOutcome {
  return {
    outcome: "rejected",
    reason,
    trigger,
    repeated: false,
    sessionId: null,
    state: null,
    version: 0,
    epoch: 0,
    channelId: null,
    previousChannelId: null,
    retryAfterMs: null,
    bound: null,
  };
}
