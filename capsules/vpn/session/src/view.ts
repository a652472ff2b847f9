/** A session as people and other capsules see it. */
import type { Json } from "@vnes/sdk";
import { BINDINGS, type Session } from "@vnes/vpn-common";
import { lossDeadline, recentSwitches, sessionDeadline } from "./machine.ts";

export function viewOf(session: Session, at: number): Json {
  const { binding } = session;
  return {
    sessionId: session.id,
    owner: session.owner,
    state: session.state,
    reason: session.reason,
    version: session.version,
    epoch: session.epoch,
    bindings: BINDINGS[session.state],
    binding:
      binding === null ? null : { channelId: binding.channelId, pathId: binding.pathId, at: binding.at },
    createdAt: session.createdAt,
    changedAt: session.changedAt,
    sessionExpiresAt: sessionDeadline(session),
    lossExpiresAt: lossDeadline(session),
    switchesLastMinute: recentSwitches(session, at).length,
    policy: session.policy,
  };
}
