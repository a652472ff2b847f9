/** The agent while one step works on it: its next value, and what was asked for so far. */
import type { JsonObject } from "@vnes/sdk";
import {
  type Bound,
  boundOf,
  CLIENT_POLICY,
  type ClientPolicy,
  counted,
  SWITCH_WINDOW_MS,
} from "@vnes/vpn-common";
import type { ClientConfig } from "./config.ts";
import type { Agent, Asked, ClientEvent, PathHealth, TimerName } from "./vocabulary.ts";

/** What a person reads back in `status`, written with every turn; the topic has them all. */
const RECENT_EVENTS = 16;

export const NEW_HEALTH: PathHealth = {
  failures: 0,
  lastFailure: null,
  lastOkAt: null,
  latencyMs: null,
  lossPercent: null,
  failedAt: [],
  retryAt: null,
  probedAt: null,
};

export interface Draft {
  agent: Agent;
  readonly config: ClientConfig;
  readonly at: number;
  /** Fresh, good for one nonce. */
  readonly nonce: string;
  readonly asked: Asked[];
}

export function change(draft: Draft, fields: Partial<Agent>): void {
  draft.agent = { ...draft.agent, ...fields };
}

export function ask(draft: Draft, ...asked: Asked[]): void {
  draft.asked.push(...asked);
}

export function wake(draft: Draft, timer: TimerName, at: number): void {
  // What is overdue when it is set is no sign of sleep.
  change(draft, { timers: { ...draft.agent.timers, [timer]: Math.max(at, draft.at) } });
  ask(draft, { ask: "wake", timer, at });
}

export function unwake(draft: Draft, ...timers: TimerName[]): void {
  for (const timer of timers) {
    forgetTimer(draft, timer);
    ask(draft, { ask: "unwake", timer });
  }
}

/** It has fired, or is not wanted any more. */
export function forgetTimer(draft: Draft, timer: TimerName): void {
  const { [timer]: _gone, ...timers } = draft.agent.timers;
  change(draft, { timers });
}

/** Part of the name may be a code of routing or of the gateway. */
export function count(draft: Draft, name: string): void {
  change(draft, { counters: counted(draft.agent.counters, name) });
}

/** Everything the client does about its session is said with its reason, on the topic and in `recent`. */
export function tell(
  draft: Draft,
  event: ClientEvent["event"],
  reason: string,
  paths: { readonly path?: string | null; readonly from?: string | null } = {},
  evidence: JsonObject = {},
): void {
  const { session, recent } = draft.agent;
  const said: ClientEvent = {
    event,
    sessionId: session?.id ?? null,
    version: session?.version ?? 0,
    epoch: session?.epoch ?? 0,
    pathId: paths.path ?? null,
    fromPathId: paths.from ?? null,
    reason,
    at: draft.at,
    evidence,
  };
  change(draft, { recent: [...recent, said].slice(-RECENT_EVENTS) });
  count(draft, event === "denied" ? `denied.${reason}` : event);
  ask(draft, { ask: "publish", event: said });
}

/** For the evidence: the field of the client's policy that decided, met by `value`. */
export function policyBound({ config }: Draft, name: keyof ClientPolicy, value: number): Bound {
  return boundOf(CLIENT_POLICY, name, config.policy, value);
}

/** So many moves of the session to another channel, as far as this client knows: now. */
export function noteSwitches(draft: Draft, count: number): void {
  const { agent, at, config } = draft;
  // More than the bound would hold nothing for longer.
  const length = Math.min(count, config.policy.maxSwitchesPerMinute);
  const now = Array.from({ length }, () => at);
  change(draft, { lastSwitchAt: at, switches: [...recentSwitches(agent, at), ...now] });
}

export function recentSwitches(agent: Agent, at: number): readonly number[] {
  return agent.switches.filter((switchedAt) => switchedAt > at - SWITCH_WINDOW_MS);
}

export function healthOf({ paths }: Pick<Agent, "paths">, pathId: string): PathHealth {
  // One of an earlier version lacks what it did not know.
  return { ...NEW_HEALTH, ...paths[pathId] };
}

/** A mirror that never goes back. */
export function mirror(draft: Draft, id: string, version: number, epoch: number): void {
  const known = draft.agent.session;
  if (known === null) return change(draft, { session: { id, version, epoch } });
  if (known.id !== id) throw new Error("the session's identity would change");
  const session = { id, version: Math.max(known.version, version), epoch: Math.max(known.epoch, epoch) };
  change(draft, { session });
}
