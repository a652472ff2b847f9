/**
 * How the client tries to attach: one attempt at a time, each over a channel of its own. When, and over which path, is `rounds.ts`.
 *
 * CL1. At most one attempt exists; what answers another one is closed or left aside.
 * CL2. A request is repeated with the same nonce over the same channel only; a creation keeps its nonce over every channel.
 */
import { type Bound, clientFrames as frames, metBy } from "@vnes/vpn-common";
import { ask, change, count, type Draft, tell, unwake, wake } from "./draft.ts";
import { blame } from "./paths.ts";
import { armProbe, dropProbe } from "./probes.ts";
import { begin, waitUntil } from "./rounds.ts";
import type { Attempt, Choice } from "./vocabulary.ts";

/** One lost answer is weather; four in a row are a path that does not work. */
export const MAX_SENDS = 4;
/** Each teaches the client an epoch it missed; more than this is a gateway that contradicts itself. */
const MAX_RESYNCS = 3;
/** Beside the transport's own limit on opening, so that its reason is heard rather than ours. */
export const OPEN_MARGIN_MS = 250;
const DEFAULT_RETRY_LATER_MS = 1000;
const MAX_RETRY_LATER_MS = 60_000;

/** A person's jump: one attempt over one path, from a session that is well. */
export function jump(draft: Draft, pathId: string): void {
  const { standby } = draft.agent;
  const isReady = standby?.pathId === pathId;
  if (isReady) change(draft, { standby: null });
  const choice: Choice = {
    by: "person",
    problem: null,
    ageMs: null,
    geometry: null,
    decidedBy: null,
    skipped: [],
    standby: isReady,
  };
  const channelId = isReady ? standby.channelId : null;
  open(draft, { pathId, asked: true, cause: "JUMP_ASKED", choice, channelId });
}

export interface Opening {
  readonly pathId: string;
  readonly asked: boolean;
  readonly cause: string;
  readonly choice: Choice;
  /** One that is open already; null: one is opened. */
  readonly channelId: string | null;
}

/** One attempt over one path, over a channel of its own. */
export function open(draft: Draft, { pathId, asked, cause, choice, channelId }: Opening): void {
  dropProbe(draft, "ATTEMPT");
  const { agent, at, nonce } = draft;
  const kind = agent.session === null ? "create" : "reattach";
  const attempt: Attempt = {
    id: agent.attempts + 1,
    pathId,
    kind,
    asked,
    cause,
    stage: "opening",
    channelId: null,
    nonce: kind === "create" ? (agent.creation ?? nonce) : nonce,
    sends: 0,
    resyncs: 0,
    startedAt: at,
    choice,
  };
  const creation = kind === "create" ? attempt.nonce : agent.creation;
  change(draft, { attempt, attempts: attempt.id, creation, waiting: null });
  unwake(draft, "retry");
  if (channelId !== null) return sendRequest(draft, attempt, channelId);
  ask(draft, { ask: "open", attempt: attempt.id, pathId });
}

/** The channel is open, or the answer has not come: asks, or asks again. */
export function sendRequest(draft: Draft, attempt: Attempt, channelId: string): void {
  const { session } = draft.agent;
  const frame =
    attempt.kind === "create" || session === null
      ? frames.create(attempt.nonce)
      : frames.reattach(attempt.nonce, session.id, session.epoch, session.version);
  change(draft, { attempt: { ...attempt, stage: "asking", channelId, sends: attempt.sends + 1 } });
  ask(draft, { ask: "send", attempt: attempt.id, channelId, frame });
  wake(draft, "attempt", draft.at + draft.config.policy.answerMs);
}

/** Learned a later epoch than it knew: asks again over the same channel with a nonce of its own. */
export function resync(draft: Draft, attempt: Attempt): void {
  const { channelId } = attempt;
  if (channelId === null || attempt.resyncs >= MAX_RESYNCS) {
    const met = { bound: "lessons", limit: MAX_RESYNCS, value: attempt.resyncs, unit: "lessons" };
    return failAttempt(draft, "ANSWER_UNFIT", met);
  }
  count(draft, "resynced");
  const next: Attempt = {
    ...attempt,
    kind: "reattach",
    nonce: draft.nonce,
    sends: 0,
    resyncs: attempt.resyncs + 1,
  };
  sendRequest(draft, next, channelId);
}

/** A request was sent as often as it is, and was not decided. */
export function sendsMet({ sends }: Attempt): Bound {
  return { bound: "sends", limit: MAX_SENDS, value: sends, unit: "requests" };
}

/** The path did not work: counts against it, and the next one is tried. */
export function failAttempt(draft: Draft, reason: string, bound: Bound | null = null): void {
  const { attempt } = draft.agent;
  if (attempt === null) return;
  const { pathId, sends, choice, cause } = attempt;
  blame(draft, pathId, reason);
  const evidence = { by: "attempt", sends, choice, cause, ...metBy(bound) };
  tell(draft, "pathFailed", reason, { path: pathId }, evidence);
  giveUp(draft, attempt, reason, bound);
}

/** Ends the attempt, whoever is to blame, and goes on with what may be tried now. */
export function giveUp(draft: Draft, attempt: Attempt, reason: string, bound: Bound | null = null): void {
  dropAttempt(draft, reason);
  const evidence = { cause: reason, ...metBy(bound) };
  if (attempt.asked) tell(draft, "denied", "JUMP_FAILED", { path: attempt.pathId }, evidence);
  if (draft.agent.mode === "steady") armProbe(draft);
  begin(draft);
}

/** The path is not to blame: the gateway asked to wait. */
export function retryLater(
  draft: Draft,
  reason: string,
  retryAfterMs: number | null,
  bound: Bound | null,
): void {
  const pause = Math.max(Math.min(retryAfterMs ?? DEFAULT_RETRY_LATER_MS, MAX_RETRY_LATER_MS), 1);
  const path = draft.agent.attempt?.pathId ?? null;
  dropAttempt(draft, reason);
  change(draft, { tried: [] });
  const until = draft.at + pause;
  const evidence = { by: "gateway", until, path, ...metBy(bound) };
  if (draft.agent.mode !== "steady") return waitUntil(draft, reason, until, evidence);
  // A jump, or an attempt that a path which is heard again has overtaken: there is nothing to wait for.
  tell(draft, "denied", reason, { path }, evidence);
  armProbe(draft);
}

/** Ends the attempt without judging its path. */
export function dropAttempt(draft: Draft, reason: string): void {
  const { attempt } = draft.agent;
  if (attempt === null) return;
  if (attempt.channelId !== null) ask(draft, { ask: "close", channelId: attempt.channelId, reason });
  change(draft, { attempt: null });
  unwake(draft, "attempt");
}
