/** The invariants of sessions that can be seen from outside: on the events of `vpn.session.v1`, and on the keys of session and gateway. */
import assert from "node:assert/strict";
import type { Json, JsonObject } from "@vnes/sdk";
import { unpackRecord } from "../session/src/record.ts";

export type Move = {
  sessionId: string;
  owner: string;
  version: number;
  epoch: number;
  bindings: number;
  from: string | null;
  to: string;
  at: number;
  reason: string;
};

/** Everything that `vpn.session.v1` says, in its order; throws at the first that cannot be. */
export class SessionMoves {
  readonly last = new Map<string, Move>();
  /** By owner. */
  readonly live = new Map<string, string>();

  take(moved: JsonObject): void {
    const move = moved as unknown as Move;
    const { sessionId, owner } = move;
    const before = this.last.get(sessionId);
    assert.equal(move.version, (before?.version ?? 0) + 1, "V4: version +1 each step");
    assert.equal(move.from, before?.to ?? null, "every transition starts where the last one ended");
    assert.notEqual(before?.to, "TERMINATED", "V2: TERMINATED is absorbing");
    assert.equal(owner, before?.owner ?? owner, "V3: a session keeps its owner");
    const binds = move.reason === "ATTACHED_FIRST" || move.reason === "REATTACHED" ? 1 : 0;
    assert.equal(move.epoch, (before?.epoch ?? 0) + binds, "V5: epoch +1 on each bind");
    const bindings = move.to === "ATTACHED" || move.to === "VOLATILE" || move.to === "DEGRADED" ? 1 : 0;
    assert.equal(move.bindings, bindings, "V1: bindings of the state");
    assert.ok(move.at >= (before?.at ?? 0), "V9: time does not go back");
    if (before === undefined) assert.equal(this.live.get(owner), undefined, "V10: one live session an owner");
    if (move.to === "TERMINATED") this.live.delete(owner);
    else this.live.set(owner, sessionId);
    const { version, epoch, from, to, at, reason } = move;
    this.last.set(sessionId, { sessionId, owner, version, epoch, bindings, from, to, at, reason });
  }
}

/** Throws unless what the session capsule said and what both keep agree with the invariants that can be seen from outside. */
export function checkSessions(
  moves: readonly JsonObject[],
  sessionKeys: ReadonlyMap<string, Json>,
  gatewayKeys: ReadonlyMap<string, Json>,
): void {
  const seen = new SessionMoves();
  for (const move of moves) seen.take(move);
  const kept = [...sessionKeys].filter(([key]) => key.startsWith("ses/"));
  const channels = kept.flatMap(([, value]) => unpackRecord(value).session.binding?.channelId ?? []);
  assert.equal(new Set(channels).size, channels.length, "V1: a channel is bound to one session");
  const mirrored = [...gatewayKeys].filter(([key]) => key.startsWith("bound/")).map(([, value]) => value);
  assert.equal(new Set(mirrored).size, mirrored.length, "V1: a session has one bound channel");
}
