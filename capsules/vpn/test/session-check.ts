/** The invariants of sessions that can be seen from outside: on the events of `vpn.session.v1`, and on the keys of session and gateway. */
import assert from "node:assert/strict";
import type { Json, JsonObject } from "@vnes/sdk";
import { unpackRecord } from "../session/src/record.ts";

type Move = {
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

/** Throws unless what the session capsule said and what both keep agree with the invariants that can be seen from outside. */
export function checkSessions(
  moves: readonly JsonObject[],
  sessionKeys: ReadonlyMap<string, Json>,
  gatewayKeys: ReadonlyMap<string, Json>,
): void {
  const last = new Map<string, Move>();
  for (const move of moves as unknown as readonly Move[]) {
    const before = last.get(move.sessionId);
    assert.equal(move.version, (before?.version ?? 0) + 1, "V4: version +1 each step");
    assert.equal(move.from, before?.to ?? null, "every transition starts where the last one ended");
    assert.notEqual(before?.to, "TERMINATED", "V2: TERMINATED is absorbing");
    const binds = move.reason === "ATTACHED_FIRST" || move.reason === "REATTACHED" ? 1 : 0;
    assert.equal(move.epoch, (before?.epoch ?? 0) + binds, "V5: epoch +1 on each bind");
    const bindings = move.to === "ATTACHED" || move.to === "VOLATILE" || move.to === "DEGRADED" ? 1 : 0;
    assert.equal(move.bindings, bindings, "V1: bindings of the state");
    assert.ok(move.at >= (before?.at ?? 0), "V9: time does not go back");
    last.set(move.sessionId, move);
  }
  const live = [...last.values()].filter((move) => move.to !== "TERMINATED");
  assert.equal(new Set(live.map((move) => move.owner)).size, live.length, "V10: one live session an owner");
  const kept = [...sessionKeys].filter(([key]) => key.startsWith("ses/"));
  const channels = kept.flatMap(([, value]) => unpackRecord(value).session.binding?.channelId ?? []);
  assert.equal(new Set(channels).size, channels.length, "V1: a channel is bound to one session");
  const mirrored = [...gatewayKeys].filter(([key]) => key.startsWith("bound/")).map(([, value]) => value);
  assert.equal(new Set(mirrored).size, mirrored.length, "V1: a session has one bound channel");
}
