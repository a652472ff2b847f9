/** The client as people see it: the mirror of its session, its health and its candidates. */
import type { Json } from "@vnes/sdk";
import type { Candidate, ClientConfig } from "./config.ts";
import { healthOf, recentSwitches } from "./draft.ts";
import { windowEnd } from "./health.ts";
import { inOrder } from "./rounds.ts";
import { type Agent, MODES } from "./vocabulary.ts";

export function statusOf(agent: Agent, config: ClientConfig, at: number): Json {
  const { session, active, attempt } = agent;
  const state = agent.mode === "steady" && agent.quality.isBelow ? "DEGRADED" : MODES[agent.mode];
  return {
    mode: agent.mode,
    reason: agent.reason,
    session:
      session === null || state === null
        ? null
        : { id: session.id, state, version: session.version, epoch: session.epoch },
    gateway: config.gateway,
    active,
    attempt:
      attempt === null
        ? null
        : {
            pathId: attempt.pathId,
            kind: attempt.kind,
            stage: attempt.stage,
            sends: attempt.sends,
            startedAt: attempt.startedAt,
          },
    waiting: agent.waiting,
    troubleSince: agent.troubleSince,
    recoveryEndsAt: windowEnd({ agent, config, at, nonce: "", asked: [] }),
    switchesLastMinute: recentSwitches(agent, at).length,
    quality: { isBelow: agent.quality.isBelow, reason: agent.quality.reason },
    standby: agent.standby,
    ranking: agent.ranking,
    candidates: inOrder(agent, config, at).map((pathId) => ({
      ...(config.candidates.find((one) => one.pathId === pathId) as Candidate),
      ...healthOf(agent, pathId),
      active: pathId === active?.pathId,
    })),
    recent: agent.recent,
    counters: agent.counters,
  };
}
