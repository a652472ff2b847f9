/**
 * What is said of a request that changed nothing, on `vpn.denial.v1`, and how often: the first of a kind at once, those of
 * the next minute counted and said in one event at its end. So a flood of requests is never a flood of events.
 *
 * DN1. Every denial is in exactly one event's `count`, or in a window that is still open.
 * DN2. Of one asker and reason there is at most one event a minute, besides the first.
 * DN3. At most `MAX_WINDOWS` askers are told apart at once; who comes beyond them is counted with the others as nobody in particular.
 */
import type { Bound } from "./bound.ts";

export const DENIAL_TOPIC = "vpn.denial.v1";
export const DENIAL_WINDOW_MS = 60_000;
/** An attacker can make keys; each asker's windows are kept in memory for a minute. */
export const MAX_WINDOWS = 256;

/** An event of `vpn.denial.v1`. */
export type Denied = {
  /** As the request named it; null where it named none. Nobody says that it exists. */
  readonly sessionId: string | null;
  /** Static key that asked, base64; null: a person or another capsule, or several keys together. */
  readonly peer: string | null;
  /** Who denied. */
  readonly by: "session" | "gateway";
  /** What was asked: a trigger, or `open`, `frame`, `ping`, `hold`. */
  readonly asked: string;
  readonly reason: string;
  /** Of the session, where it is known to be the asker's. */
  readonly state: string | null;
  readonly version: number;
  readonly epoch: number;
  readonly channelId: string | null;
  readonly pathId: string | null;
  /** Denials this event stands for; what it says besides is of the last of them. */
  readonly count: number;
  /** Of the first of them. */
  readonly since: number;
  readonly at: number;
  /** The values that decided, and under `bound` the number. */
  readonly evidence: { readonly [name: string]: unknown };
};

export type Denial = Omit<Denied, "count" | "since" | "at">;

/** Of one asker and one reason. */
export type DenialWindow = {
  readonly opened: number;
  /** Not said yet. */
  readonly count: number;
  readonly since: number;
  readonly last: Denial;
};

export type Noted = { readonly window: DenialWindow; readonly tell: Denied | null };

export function noteDenial(window: DenialWindow | undefined, denial: Denial, at: number): Noted {
  if (window !== undefined && at < window.opened + DENIAL_WINDOW_MS) {
    const since = window.count === 0 ? at : window.since;
    return { window: { ...window, count: window.count + 1, since, last: denial }, tell: null };
  }
  const count = (window?.count ?? 0) + 1;
  const since = count === 1 ? at : (window?.since ?? at);
  return {
    window: { opened: at, count: 0, since: at, last: denial },
    tell: { ...denial, count, since, at },
  };
}

/** What is left of a window at `at`: null when it is over and nothing was counted in it. */
export function closeWindow(
  window: DenialWindow,
  at: number,
): { readonly window: DenialWindow | null; readonly tell: Denied | null } {
  if (at < window.opened + DENIAL_WINDOW_MS) return { window, tell: null };
  const { count, since, last } = window;
  if (count === 0) return { window: null, tell: null };
  return { window: { opened: at, count: 0, since: at, last }, tell: { ...last, count, since, at } };
}

/** The part of a turn that is needed here. */
type DenialTurn = {
  readonly at: number;
  readonly keys: {
    get(key: string): unknown;
    set(key: string, value: never): void;
    delete(key: string): void;
    getAll(keys: readonly string[]): readonly unknown[];
  };
  publish(topic: string, key: string, event: never): void;
  setTimer(id: string, at: number): void;
};

const PREFIX = "denied/";
/** Keys of the windows that are open. A range would be looked for among all keys of the capsule, however many those are. */
const OPEN = "denied/open";
/** Of whom nobody in particular is: DN3. */
const OTHERS = "others";
const TIMER = "denials";

/** Says it, or counts it. Keys `denied/` and the timer `denials` are its own. */
export function deny(turn: DenialTurn, who: string, denial: Denial): void {
  const own = `${PREFIX}${who} ${denial.reason}`;
  let key = own;
  let known = turn.keys.get(own) as DenialWindow | undefined;
  let said = denial;
  if (known === undefined) {
    const open = (turn.keys.get(OPEN) ?? []) as readonly string[];
    if (open.length === 0) turn.setTimer(TIMER, turn.at + DENIAL_WINDOW_MS);
    if (open.length >= MAX_WINDOWS) {
      key = `${PREFIX}${OTHERS} ${denial.reason}`;
      known = turn.keys.get(key) as DenialWindow | undefined;
      said = { ...denial, peer: null };
    }
    if (known === undefined) turn.keys.set(OPEN, [...open, key] as never);
  }
  const { window, tell } = noteDenial(known, said, turn.at);
  turn.keys.set(key, window as never);
  if (tell !== null) say(turn, tell);
}

/** For the timer `denials`: what was counted in windows that are over is said. */
export function onDenialsDue(turn: DenialTurn): void {
  let next: number | null = null;
  const open = (turn.keys.get(OPEN) ?? []) as readonly string[];
  const left: string[] = [];
  for (const [index, value] of turn.keys.getAll(open).entries()) {
    const key = open[index] as string;
    const { window, tell } = closeWindow(value as DenialWindow, turn.at);
    if (tell !== null) say(turn, tell);
    if (window === null) turn.keys.delete(key);
    else if (window !== value) turn.keys.set(key, window as never);
    if (window !== null) left.push(key);
    const dueAt = window === null ? null : window.opened + DENIAL_WINDOW_MS;
    if (dueAt !== null && (next === null || dueAt < next)) next = dueAt;
  }
  if (left.length === 0) turn.keys.delete(OPEN);
  else if (left.length < open.length) turn.keys.set(OPEN, left as never);
  if (next !== null) turn.setTimer(TIMER, next);
}

function say(turn: DenialTurn, denied: Denied): void {
  turn.publish(DENIAL_TOPIC, denied.sessionId ?? "none", denied as never);
}

/** Evidence with the number that decided in it, where one did. */
export function withBound(
  evidence: { readonly [name: string]: unknown },
  bound: Bound | null,
): Denied["evidence"] {
  return bound === null ? evidence : { ...evidence, bound };
}
