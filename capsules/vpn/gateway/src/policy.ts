/**
 * Which policy a session is made with: what a capsule that provides `session_policy` says within the bounds, or the gateway's
 * own. Whoever provides it, its answer is data.
 */
import type { Answer, JsonObject } from "@vnes/sdk";
import { parsePolicy, SESSION_POLICY, type SessionPolicy } from "@vnes/vpn-common";

const MAX_TEXT = 64;
/** Nothing provides `session_policy` for this gateway: that is how most are run, and no reason for anything. */
const NOBODY = "CALL_CAPABILITY_UNAVAILABLE";

export type ChosenPolicy = {
  readonly policy: SessionPolicy;
  /** Part of the evidence of the session's creation. */
  readonly evidence: {
    readonly by: "capsule" | "gateway";
    /** Code of why the capsule that was asked did not decide; null: it did, or there is none to ask. */
    readonly problem: string | null;
    /** What is wrong with its answer, or what it gives as its reason. */
    readonly reason: string | null;
  };
};

/** What the answer leaves out is the gateway's own. */
export function choosePolicy(answer: Answer, own: SessionPolicy): ChosenPolicy {
  if (!answer.ok) return ownPolicy(own, answer.code === NOBODY ? null : answer.code.slice(0, MAX_TEXT), null);
  const { value } = answer;
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return ownPolicy(own, "ANSWER_UNFIT", "expected an object");
  }
  const { policy, reason } = value as JsonObject;
  const parsed = parsePolicy(SESSION_POLICY, policy, own);
  if (!parsed.ok) {
    return ownPolicy(own, "ANSWER_UNFIT", `/policy${parsed.pointer}: ${parsed.problem}`.slice(0, MAX_TEXT));
  }
  const told = typeof reason === "string" ? reason.slice(0, MAX_TEXT) : null;
  return { policy: parsed.policy, evidence: { by: "capsule", problem: null, reason: told } };
}

function ownPolicy(policy: SessionPolicy, problem: string | null, reason: string | null): ChosenPolicy {
  return { policy, evidence: { by: "gateway", problem, reason } };
}
