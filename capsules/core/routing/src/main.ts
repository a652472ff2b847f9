/** `routing`: ranks candidates. It asks geometry where nobody measured, and ranks without where geometry is not there. */
import { type Answer, capsule, type Json, later, type Refusal, refuse, type Turn } from "@vnes/sdk";
import { describe } from "./errors.ts";
import { type Asked, NOT_ASKED, type RankInput, takeEstimates, unmeasured } from "./geometry.ts";
import { DEFAULT_POLICY, parseConfig, type RankPolicy } from "./policy.ts";
import { rank } from "./ranking.ts";

/** What a call for estimates needs when it ends. */
type Pending = { readonly callId: string; readonly input: RankInput };

function policyFor(turn: Turn, { policy = {} }: RankInput): RankPolicy {
  const configured = (turn.keys.get("config") as RankPolicy | undefined) ?? DEFAULT_POLICY;
  return { ...configured, ...policy };
}

function onRank(turn: Turn, raw: Json, callId: string): Json | Refusal | typeof later {
  const input = raw as unknown as RankInput;
  const ids = input.candidates.map(({ id }) => id);
  const twice = ids.find((id, index) => ids.indexOf(id) < index);
  if (twice !== undefined) {
    const code = "ROUTING_CANDIDATE_TWICE";
    return refuse(code, describe(code, { id: twice }), { id: twice });
  }
  const policy = policyFor(turn, input);
  const to = unmeasured(input);
  if (to.length === 0) return ranking(input, policy, NOT_ASKED, new Map());
  const pending: Pending = { callId, input };
  turn.call({
    capability: "geometry",
    method: "estimate",
    input: { from: input.from ?? "", to },
    tag: "estimate",
    context: pending as unknown as Json,
    timeoutMs: policy.geometryTimeoutMs,
  });
  return later;
}

function onEstimate(turn: Turn, answer: Answer, context: Json): void {
  const { callId, input } = context as unknown as Pending;
  const policy = policyFor(turn, input);
  const { geometry, estimates } = takeEstimates(answer, input, policy);
  turn.answer(callId, { ok: true, value: ranking(input, policy, geometry, estimates) });
}

function ranking(
  { candidates }: RankInput,
  policy: RankPolicy,
  geometry: Asked,
  estimates: ReadonlyMap<string, number>,
): Json {
  return { places: rank(candidates, policy, estimates), geometry, policy };
}

export default capsule({
  start(turn, config) {
    turn.keys.set("config", parseConfig(config));
  },
  calls: { "routing.rank": (turn, input, { callId }) => onRank(turn, input, callId) },
  answers: { estimate: onEstimate },
});
