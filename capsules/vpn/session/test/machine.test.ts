/** The session machine in examples; every state is in `exploration.test.ts`, random sequences are in `differential.test.ts`. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { assertStep, InvariantViolation, type Session, type SessionPolicy } from "@vnes/vpn-common";
import { birth, lossDeadline, sessionDeadline, step, TRANSITIONS } from "../src/machine.ts";

const POLICY: SessionPolicy = { sessionTtlMs: 5000, transportLossTtlMs: 1000, maxSwitchesPerMinute: 2 };
const OWNER = "owner";

test("the two clocks are independent: either ends a session alone, and a confirmed transport stops only one", () => {
  const attached = (at: number): Session => {
    const born = birth("ses_1", OWNER, POLICY, 0);
    const result = step(born, { trigger: "attach", owner: OWNER, channelId: "a", pathId: "p" }, at);
    assert.equal(result.kind, "moved");
    return result.session;
  };
  const session = attached(10);
  assert.equal(lossDeadline(session), null);
  assert.equal(sessionDeadline(session), 5000);
  const early = step(session, { trigger: "lossClock" }, 4999);
  assert.deepEqual([early.kind, early.reason], ["rejected", "TRANSITION_ILLEGAL"]);
  const ttl = step(session, { trigger: "sessionClock" }, 5000);
  assert.deepEqual([ttl.kind, ttl.reason], ["moved", "SESSION_TTL_EXPIRED"]);
  const silent = step(session, { trigger: "pathSilent", channelId: "a" }, 100);
  assert.equal(silent.kind, "moved");
  if (silent.kind !== "moved") return;
  const lost = step(silent.session, { trigger: "transportLost", channelId: "a" }, 900);
  assert.equal(lost.kind, "moved");
  if (lost.kind !== "moved") return;
  assert.equal(
    lossDeadline(lost.session),
    1100,
    "the loss clock runs from the first sign, not from the last",
  );
  const late = step(
    lost.session,
    { trigger: "reattach", owner: OWNER, epoch: 1, version: 4, channelId: "b", pathId: "p" },
    1100,
  );
  assert.deepEqual([late.kind, late.reason], ["moved", "TRANSPORT_LOSS_TTL_EXPIRED"]);
});

test("an invariant that does not hold is named, not passed over", () => {
  const born = birth("ses_1", OWNER, POLICY, 0);
  const row = TRANSITIONS[0];
  assert.ok(row);
  const good = step(born, { trigger: "attach", owner: OWNER, channelId: "a", pathId: "p" }, 1);
  assert.equal(good.kind, "moved");
  if (good.kind !== "moved") return;
  const broken: [string, Partial<Session>][] = [
    ["V1", { binding: null }],
    ["V3", { owner: "other" }],
    ["V4", { version: 7 }],
    ["V5", { epoch: 0 }],
    ["V6", { lossSince: 5 }],
    ["V7", { switches: [1, 1, 1] }],
  ];
  for (const [invariant, change] of broken) {
    assert.throws(
      () => assertStep(born, { ...good.session, ...change }, row, 1),
      (thrown) => thrown instanceof InvariantViolation && thrown.invariant === invariant,
      invariant,
    );
  }
  assert.throws(() => assertStep({ ...born, changedAt: 9 }, good.session, row, 1), /V9/);
  assert.throws(() => assertStep({ ...born, state: "TERMINATED" }, good.session, row, 1), /V2/);
});
