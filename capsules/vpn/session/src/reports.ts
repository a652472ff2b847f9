/** The methods that report what happened to a session's transport or ask for its end; compare-and-set where asked. */
import type { Json, JsonObject, Turn } from "@vnes/sdk";
import type { Outcome, SessionEvent, TerminateCause } from "@vnes/vpn-common";
import { applyEvent } from "./apply.ts";
import { count } from "./counters.ts";
import { isDue } from "./machine.ts";
import { outcomeAt, outcomeOf, unknownTo } from "./outcome.ts";
import { loadSession } from "./store.ts";

type Target = { readonly sessionId: string; readonly expectedVersion?: number };
export type ChannelReport = Target & { readonly channelId: string; readonly evidence?: Json };
export type PolicyReport = Target & { readonly evidence?: Json };
export type TerminateInput = Target & {
  readonly cause?: TerminateCause;
  readonly owner?: string;
  readonly evidence?: JsonObject;
};

export function pathSilent(turn: Turn, input: ChannelReport): Outcome {
  return apply(turn, input, { trigger: "pathSilent", channelId: input.channelId }, input.evidence);
}

export function pathAlive(turn: Turn, input: ChannelReport): Outcome {
  return apply(turn, input, { trigger: "pathAlive", channelId: input.channelId }, input.evidence);
}

export function transportLost(turn: Turn, input: ChannelReport): Outcome {
  return apply(turn, input, { trigger: "transportLost", channelId: input.channelId }, input.evidence);
}

export function degrade(turn: Turn, input: PolicyReport): Outcome {
  return apply(turn, input, { trigger: "degrade" }, input.evidence);
}

export function restore(turn: Turn, input: PolicyReport): Outcome {
  return apply(turn, input, { trigger: "restore" }, input.evidence);
}

/** `caller` decides the cause when none is given: a person at the command line is the operator. */
export function terminate(turn: Turn, input: TerminateInput, caller: string): Outcome {
  const { sessionId, owner } = input;
  if (owner !== undefined && loadSession(turn.keys, sessionId)?.owner !== owner) {
    count(turn.keys, "rejected.OWNER_MISMATCH");
    const isKnown = loadSession(turn.keys, sessionId) !== undefined;
    return unknownTo(isKnown ? "OWNER_MISMATCH" : "SESSION_UNKNOWN", "terminate");
  }
  const cause = input.cause ?? (caller === "control" ? "OPERATOR_TERMINATED" : "POLICY_TERMINATED");
  return apply(turn, input, { trigger: "terminate", cause }, { caller, ...input.evidence });
}

function apply(turn: Turn, target: Target, event: SessionEvent, evidence: Json = null): Outcome {
  const session = loadSession(turn.keys, target.sessionId);
  if (session === undefined) {
    count(turn.keys, "rejected.SESSION_UNKNOWN");
    return unknownTo("SESSION_UNKNOWN", event.trigger);
  }
  const { expectedVersion = session.version } = target;
  if (expectedVersion !== session.version && !isDue(session, turn.at)) {
    count(turn.keys, "rejected.VERSION_CONFLICT");
    return outcomeAt(session, "rejected", "VERSION_CONFLICT", event.trigger);
  }
  return outcomeOf(session, applyEvent(turn, session, event, evidence), turn.at);
}
