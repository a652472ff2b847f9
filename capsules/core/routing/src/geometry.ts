/** What routing asks geometry, and what it takes from the answer. Whoever provides geometry, its answer is data. */
import type { Answer, Json, JsonObject } from "@vnes/sdk";
import type { RankPolicy } from "./policy.ts";
import type { Candidate } from "./ranking.ts";

export type RankInput = {
  /** How geometry calls the one who asks. */
  readonly from?: string;
  readonly candidates: readonly (Candidate & { readonly peer?: string })[];
  readonly policy?: Partial<RankPolicy>;
};

export type Asked = {
  readonly asked: boolean;
  readonly model: string | null;
  /** Why there are no estimates; null: there are, or none were needed. */
  readonly problem: string | null;
};

export const NOT_ASKED: Asked = { asked: false, model: null, problem: null };
const MAX_RTT_MS = 60_000;
const MAX_TEXT = 64;

/** Peers of the candidates that nobody measured, each once; empty: geometry is not needed. */
export function unmeasured({ from, candidates }: RankInput): readonly string[] {
  if (from === undefined) return [];
  const peers = candidates.flatMap(({ latencyMs, peer }) =>
    latencyMs === undefined && peer !== undefined ? [peer] : [],
  );
  return [...new Set(peers)];
}

/** Round trips by candidate. */
export function takeEstimates(
  answer: Answer,
  { candidates }: RankInput,
  policy: RankPolicy,
): { readonly geometry: Asked; readonly estimates: ReadonlyMap<string, number> } {
  if (!answer.ok) {
    const problem = answer.code.slice(0, MAX_TEXT);
    return { geometry: { asked: true, model: null, problem }, estimates: new Map() };
  }
  const { model, estimates } = fieldsOf(answer.value);
  const byPeer = new Map<unknown, number>();
  for (const one of Array.isArray(estimates) ? (estimates as readonly Json[]) : []) {
    const { to, rttMs, error } = fieldsOf(one);
    if (typeof rttMs !== "number" || !(rttMs >= 0 && rttMs <= MAX_RTT_MS)) continue;
    if (typeof error !== "number" || !(error >= 0 && error <= policy.maxEstimateError)) continue;
    byPeer.set(to, rttMs);
  }
  const found = candidates.flatMap(({ id, peer }): [string, number][] => {
    const rttMs = peer === undefined ? undefined : byPeer.get(peer);
    return rttMs === undefined ? [] : [[id, rttMs]];
  });
  const name = typeof model === "string" ? model.slice(0, MAX_TEXT) : null;
  return { geometry: { asked: true, model: name, problem: null }, estimates: new Map(found) };
}

function fieldsOf(value: Json): JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
}
