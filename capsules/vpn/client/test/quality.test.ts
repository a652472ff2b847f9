/** What the client makes of its paths: hysteresis, smoothing, holding back. Pure, whatever the pings bring. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { NEW_AGENT } from "../src/agent.ts";
import { parseConfig } from "../src/config.ts";
import { type Draft, healthOf, NEW_HEALTH } from "../src/draft.ts";
import { blame, HOLD_FIRST_MS, HOLD_LAST_MS, isHeldBack, MAX_FAILED, measure, trust } from "../src/paths.ts";
import { judge, NEW_QUALITY, problemOf } from "../src/quality.ts";

const draftAt = (at: number): Draft => ({
  agent: NEW_AGENT,
  config: parseConfig(null),
  at,
  nonce: "non_00000000",
  asked: [],
});

test("a path falls below policy by so many of its last pings, and is within it only when none of as many was below (CL9)", () => {
  const bounds = fc
    .tuple(fc.integer({ min: 1, max: 16 }), fc.integer({ min: 1, max: 16 }))
    .map(([a, b]) => ({ belowPings: Math.min(a, b), ofPings: Math.max(a, b) }));
  fc.assert(
    fc.property(bounds, fc.array(fc.boolean(), { maxLength: 200 }), ({ belowPings, ofPings }, pings) => {
      const policy = { belowPings, ofPings, maxLossPercent: 20, maxLatencyMs: 1000 };
      let quality = NEW_QUALITY;
      let changedAt = 0;
      pings.forEach((isBad, index) => {
        const before = quality;
        quality = judge(quality, isBad ? "PINGS_UNANSWERED" : null, policy);
        assert.equal(quality.reason !== null, quality.isBelow);
        assert.ok(quality.recent.length <= ofPings);
        if (quality.isBelow === before.isBelow) return;
        const since = pings.slice(changedAt, index + 1);
        const last = since.slice(-ofPings);
        if (quality.isBelow) assert.ok(last.filter((bad) => bad).length >= belowPings);
        else assert.ok(last.length === ofPings && last.every((bad) => !bad), "as long as it was below");
        changedAt = index + 1;
      });
      const count = pings
        .slice(changedAt)
        .slice(-ofPings)
        .filter((bad) => bad).length;
      assert.ok(quality.isBelow || count < belowPings, "no change is missed");
    }),
    { numRuns: 1000 },
  );
});

test("every other ping lost is below policy and stays so: it does not flap (CL9)", () => {
  const policy = { belowPings: 3, ofPings: 5, maxLossPercent: 20, maxLatencyMs: 1000 };
  let quality = NEW_QUALITY;
  let changes = 0;
  for (let n = 0; n < 100; n++) {
    const next = judge(quality, n % 2 === 0 ? "PINGS_UNANSWERED" : null, policy);
    if (next.isBelow !== quality.isBelow) changes++;
    quality = next;
  }
  assert.deepEqual([quality.isBelow, changes], [true, 1]);
});

test("what is wrong with a path is named, and a value at its bound is within it", () => {
  const policy = { maxLossPercent: 20, maxLatencyMs: 1000 };
  const values = { lossPercent: 20, latencyMs: 1000 };
  assert.equal(problemOf("answered", values, policy), null);
  assert.equal(problemOf("answered", { lossPercent: null, latencyMs: null }, policy), null);
  assert.equal(problemOf("answered", { ...values, lossPercent: 20.1 }, policy), "LOSS_ABOVE_POLICY");
  assert.equal(problemOf("answered", { ...values, latencyMs: 1000.1 }, policy), "LATENCY_ABOVE_POLICY");
  assert.equal(problemOf("small", { ...values, lossPercent: 99 }, policy), "LARGE_FRAMES_LOST");
  assert.equal(problemOf("unanswered", values, policy), "PINGS_UNANSWERED");
});

test("loss and latency stay within what was measured, and only an answer has a latency", () => {
  const ping = fc.option(fc.nat(200_000));
  fc.assert(
    fc.property(fc.array(ping, { minLength: 1, maxLength: 60 }), (pings) => {
      const draft = draftAt(1);
      for (const rttMs of pings) measure(draft, "a", rttMs);
      const { lossPercent, latencyMs, lastOkAt } = healthOf(draft.agent, "a");
      assert.ok(lossPercent !== null && lossPercent >= 0 && lossPercent <= 100);
      const answered = pings.filter((one) => one !== null).map((one) => Math.min(one, 60_000));
      assert.equal(latencyMs === null, answered.length === 0);
      if (latencyMs !== null)
        assert.ok(latencyMs >= Math.min(...answered) - 1e-9 && latencyMs <= Math.max(...answered) + 1e-9);
      assert.equal(lastOkAt, null, "measuring alone makes no path healthy");
      if (!pings.includes(null)) assert.equal(lossPercent, 0);
    }),
  );
});

test("a path that fails is held back, twice as long each time in a row, up to a bound, until it answers (CL8)", () => {
  let draft = draftAt(0);
  const helds: number[] = [];
  for (let failure = 1; failure <= 40; failure++) {
    blame(draft, "a", "NO_ANSWER");
    const { retryAt, failedAt, failures } = healthOf(draft.agent, "a");
    assert.ok(retryAt !== null && failedAt.length <= MAX_FAILED && failures === failure);
    assert.ok(isHeldBack({ retryAt }, retryAt - 1) && !isHeldBack({ retryAt }, retryAt));
    helds.push(retryAt - draft.at);
    draft = { ...draft, at: draft.at + 1 };
  }
  assert.deepEqual(
    helds.slice(0, 4),
    [1, 2, 4, 8].map((times) => times * HOLD_FIRST_MS),
  );
  assert.equal(helds.at(-1), HOLD_LAST_MS);
  trust(draft, "a");
  const { failures, retryAt, lastFailure, failedAt } = healthOf(draft.agent, "a");
  assert.deepEqual([failures, retryAt, lastFailure], [0, null, null]);
  assert.equal(failedAt.length, MAX_FAILED, "that it failed of late counts still");
  assert.deepEqual(healthOf(draft.agent, "b"), NEW_HEALTH);
});
