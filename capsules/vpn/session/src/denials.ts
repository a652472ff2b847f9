/** Every request that changed nothing, said once and counted after that: what was asked, by whom, and where the session stood. */
import type { Json, JsonObject, Turn } from "@vnes/sdk";
import { type Denial, deny, type Outcome, withBound } from "@vnes/vpn-common";
import { loadSession } from "./store.ts";

/** What of a request is evidence: what it claimed. */
const CLAIMS = ["epoch", "version", "expectedVersion", "nonce", "cause", "evidence"] as const;

/**
 * Runs a method and says its rejection. A repeated answer was said when it was given first; who asks again for an end that has
 * come is denied nothing.
 */
export function decided(turn: Turn, input: Json, caller: string, decide: () => Outcome): Outcome {
  const asked = input as JsonObject;
  const sessionId = typeof asked["sessionId"] === "string" ? asked["sessionId"] : null;
  const wasOver = sessionId !== null && loadSession(turn.keys, sessionId)?.state === "TERMINATED";
  const outcome = decide();
  if (outcome.repeated || (outcome.outcome !== "rejected" && !wasOver)) return outcome;
  if (outcome.outcome === "terminated" && outcome.trigger === "terminate") return outcome;
  const reason = wasOver && outcome.outcome === "terminated" ? "SESSION_TERMINATED" : outcome.reason;
  tellDenial(turn, { asked, caller, outcome, reason, sessionId });
  return outcome;
}

function tellDenial(
  turn: Turn,
  {
    asked,
    caller,
    outcome,
    reason,
    sessionId,
  }: {
    readonly asked: JsonObject;
    readonly caller: string;
    readonly outcome: Outcome;
    readonly reason: string;
    readonly sessionId: string | null;
  },
): void {
  const { owner, channelId = null, pathId = null } = asked;
  const peer = typeof owner === "string" ? owner : null;
  const claims = Object.fromEntries(
    CLAIMS.filter((name) => asked[name] !== undefined).map((name) => [name, asked[name]]),
  );
  const denial: Denial = {
    sessionId: sessionId ?? outcome.sessionId,
    peer,
    by: "session",
    asked: outcome.trigger,
    reason,
    state: outcome.state,
    version: outcome.version,
    epoch: outcome.epoch,
    channelId: channelId as string | null,
    pathId: pathId as string | null,
    evidence: withBound(
      {
        caller,
        ...(Object.keys(claims).length === 0 ? {} : { claimed: claims }),
        ...(outcome.retryAfterMs === null ? {} : { allowedAt: turn.at + outcome.retryAfterMs }),
        ...(reason === "SESSION_TERMINATED" ? { endedFor: outcome.reason } : {}),
      },
      outcome.bound,
    ),
  };
  deny(turn, peer ?? caller, denial);
}
