/** The methods a gateway asks on behalf of a client: create, attach, reattach. Each is decided once for each nonce. */
import type { Json, JsonObject, Turn } from "@vnes/sdk";
import type { Bound, Outcome, RejectionReason, SessionEvent, SessionPolicy } from "@vnes/vpn-common";
import { loadAt, publishTransition, setClock, settle } from "./apply.ts";
import { loadConfig } from "./config.ts";
import { count } from "./counters.ts";
import { birth, isDue, step } from "./machine.ts";
import { recall, remember } from "./nonces.ts";
import { outcomeAt, outcomeOf, unknownTo } from "./outcome.ts";
import { loadPlaces } from "./places.ts";
import { loadAnswers, loadCreations, loadSession, placeSession, saveBirth } from "./store.ts";

/** Inputs arrive checked by the kernel against `spec/schema.json`. */
export type CreateInput = {
  readonly owner: string;
  readonly nonce: string;
  readonly policy: SessionPolicy;
  readonly evidence?: JsonObject;
};
export type AttachInput = {
  readonly sessionId: string;
  readonly owner: string;
  readonly nonce: string;
  readonly channelId: string;
  readonly pathId: string;
};
export type ReattachInput = AttachInput & { readonly epoch: number; readonly version: number };

export function create(turn: Turn, { owner, nonce, policy, evidence = {} }: CreateInput): Outcome {
  const { keys } = turn;
  const creations = loadCreations(keys, owner);
  const earlier = creations.find((creation) => creation.nonce === nonce);
  if (earlier !== undefined) {
    const session = loadAt(turn, earlier.sessionId);
    if (session === undefined) return rejected(turn, "SESSION_UNKNOWN", "create");
    return { ...outcomeAt(session, "accepted", "CREATED", "create"), repeated: true };
  }
  const last = creations.at(-1);
  const current = last === undefined ? undefined : loadAt(turn, last.sessionId);
  if (current !== undefined && current.state !== "TERMINATED") {
    const met = { bound: "liveSessionsOfOneKey", limit: 1, value: 1, unit: "sessions" };
    return rejected(turn, "OWNER_HAS_SESSION", "create", met);
  }
  const { live } = loadPlaces(keys);
  const { maxSessions } = loadConfig(keys);
  if (live >= maxSessions) {
    const met = { bound: "liveSessions", limit: maxSessions, value: live, unit: "sessions" };
    return rejected(turn, "SESSIONS_FULL", "create", met);
  }
  const session = birth(placeSession(keys, owner, nonce, turn.id("ses")), owner, policy, turn.at);
  saveBirth(keys, session, setClock(turn, session));
  const born = { from: null, trigger: "create", released: null, bound: null } as const;
  publishTransition(turn, session, born, { ...evidence, nonce });
  return outcomeAt(session, "accepted", "CREATED", "create");
}

export function attach(turn: Turn, input: AttachInput): Outcome {
  const { owner, channelId, pathId } = input;
  return decideOnce(turn, input, { trigger: "attach", owner, channelId, pathId }, { channelId, pathId });
}

export function reattach(turn: Turn, input: ReattachInput): Outcome {
  const { owner, channelId, pathId, epoch, version } = input;
  const event: SessionEvent = { trigger: "reattach", owner, epoch, version, channelId, pathId };
  return decideOnce(turn, input, event, { channelId, pathId, epoch, version, nonce: input.nonce });
}

function decideOnce(turn: Turn, input: AttachInput, event: SessionEvent, evidence: Json): Outcome {
  const session = loadSession(turn.keys, input.sessionId);
  const { trigger } = event;
  if (session === undefined) return rejected(turn, "SESSION_UNKNOWN", trigger);
  if (session.owner !== input.owner) return rejected(turn, "OWNER_MISMATCH", trigger);
  // An ended session has one answer, also for nonces it once accepted: nobody is told they are attached.
  if (session.state === "TERMINATED") return outcomeAt(session, "rejected", "SESSION_TERMINATED", trigger);
  const recorded = loadAnswers(turn.keys, session.id);
  // A clock that is due acts before any answer, one that was given before it was due among them.
  const earlier = isDue(session, turn.at) ? undefined : recall(recorded, session.id, input.nonce);
  if (earlier !== undefined) {
    count(turn.keys, "repeated");
    return earlier;
  }
  const result = step(session, event, turn.at);
  const alreadyBound = event.trigger === "attach" && result.kind === "rejected" && session.epoch > 0;
  const answer = alreadyBound
    ? outcomeAt(session, "rejected", "ALREADY_ATTACHED", trigger)
    : outcomeOf(session, result, turn.at);
  // Of an end nothing is remembered: the session may be let go of with it.
  const answers = answer.outcome === "terminated" ? recorded : remember(recorded, input.nonce, answer);
  settle(turn, session, result, evidence, answers);
  return answer;
}

function rejected(
  turn: Turn,
  reason: RejectionReason,
  trigger: Outcome["trigger"],
  bound: Bound | null = null,
): Outcome {
  count(turn.keys, `rejected.${reason}`);
  return { ...unknownTo(reason, trigger), bound };
}
