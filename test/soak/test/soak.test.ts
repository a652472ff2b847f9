/** A short soak, and that it sees what it is there to see. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { SessionMoves } from "../../../capsules/vpn/test/session-check.ts";
import { soakSessions } from "../session-soak.ts";

test("5,000 transitions of real sessions, a restart among them, keep every invariant (V1 to V5, V9 to V11)", async (t) => {
  const directory = mkdtempSync(join(tmpdir(), "vnes-soak-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const options = { transitions: 5_000, clients: 200, seed: 11, maxMs: 120_000, directory, say: () => {} };
  const report = await soakSessions(options);
  assert.ok(report.transitions >= 5_000, `${report.transitions} in ${report.seconds} s`);
  assert.ok(report.sessions > 200 && report.live <= 200, JSON.stringify(report));
});

test("a history with one thing wrong is refused by the invariant it breaks", () => {
  const born = {
    sessionId: "a",
    owner: "o",
    version: 1,
    epoch: 0,
    bindings: 0,
    from: null,
    to: "BIRTH",
    at: 1,
    reason: "CREATED",
  };
  const attached = {
    ...born,
    version: 2,
    epoch: 1,
    bindings: 1,
    from: "BIRTH",
    to: "ATTACHED",
    reason: "ATTACHED_FIRST",
  };
  const ended = {
    ...attached,
    version: 3,
    bindings: 0,
    from: "ATTACHED",
    to: "TERMINATED",
    reason: "CLIENT_CLOSED",
  };
  const told =
    (...moves: object[]) =>
    () => {
      const seen = new SessionMoves();
      for (const move of moves) seen.take(move as never);
    };
  assert.doesNotThrow(told(born, attached, ended));
  for (const [moves, invariant] of [
    [[born, { ...attached, bindings: 0 }], /V1/],
    [[born, attached, ended, { ...ended, version: 4, from: "TERMINATED" }], /V2/],
    [[born, { ...attached, owner: "other" }], /V3/],
    [[born, { ...attached, version: 3 }], /V4/],
    [[born, { ...attached, epoch: 2 }], /V5/],
    [[born, { ...attached, at: 0 }], /V9/],
    [[born, { ...born, sessionId: "b" }], /V10/],
  ] as const)
    assert.throws(told(...moves), invariant);
});
