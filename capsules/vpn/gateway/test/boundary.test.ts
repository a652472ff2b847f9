/** What comes from outside: configuration, frames, floods. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json } from "@vnes/sdk";
import { type ClientFrame, clientFrames, SESSION_POLICY, usualPolicy } from "@vnes/vpn-common";
import fc from "fast-check";
import { isAdmitted, parseConfig } from "../src/config.ts";
import { choosePolicy } from "../src/policy.ts";
import { type Bucket, burstOf, isFull, take } from "../src/rate.ts";

const { parseClientFrame } = clientFrames;
const PEER = `${"A".repeat(43)}=`;

test("nobody is admitted who is not named", () => {
  assert.equal(isAdmitted(parseConfig(null), PEER), false);
  assert.equal(isAdmitted(parseConfig({ admit: [] }), PEER), false);
  assert.equal(isAdmitted(parseConfig({ admit: [{ peer: PEER, name: "laptop" }] }), PEER), true);
  assert.equal(isAdmitted(parseConfig({ admit: [{ peer: PEER }] }), `${"B".repeat(43)}=`), false);
  assert.equal(isAdmitted(parseConfig({ admit: "any" }), PEER), true);
});

test("a configuration that is not understood is refused with the place", () => {
  const wrong: [Json, RegExp][] = [
    [{ admit: "all" }, /\/admit:/],
    [{ admit: [{ peer: "short" }] }, /\/admit\/0\/peer/],
    [{ admit: [{ peer: PEER, role: "admin" }] }, /\/admit\/0\/role/],
    [{ policy: { transportLossTtlMs: 1 } }, /\/policy\/transportLossTtlMs/],
    [{ policy: { maxSwitches: 1 } }, /\/policy\/maxSwitches/],
    [{ requestsPerMinute: 1.5 }, /\/requestsPerMinute/],
    [{ framesPerMinute: 3 }, /\/framesPerMinute/],
    [{ framesPerMinute: 6_000_001 }, /\/framesPerMinute/],
    [{ admitt: [] }, /\/admitt/],
    [[], /GATEWAY_CONFIG_INVALID/],
  ];
  for (const [config, place] of wrong) assert.throws(() => parseConfig(config), place);
});

const nonce = fc.stringMatching(/^[A-Za-z0-9_-]{8,64}$/);
const sessionId = fc.stringMatching(/^ses_[a-z0-9]{20}$/);
const count = fc.nat();
const PING = {
  type: fc.constant("ping" as const),
  nonce,
  sessionId,
  size: fc.nat(clientFrames.MAX_PING_BYTES),
  below: fc.option(fc.stringMatching(/^[A-Z][A-Z_]{0,20}$/)),
};
const frame: fc.Arbitrary<ClientFrame> = fc.oneof(
  fc.record({ type: fc.constant("create" as const), nonce }),
  fc.record({ type: fc.constant("reattach" as const), nonce, sessionId, epoch: count, version: count }),
  fc.record({ type: fc.constant("close" as const), nonce, sessionId }),
  fc.record(PING),
  fc.record({
    ...PING,
    bound: fc.record({
      bound: fc.string({ maxLength: 64 }),
      limit: fc.nat(),
      value: fc.double({ noNaN: true, noDefaultInfinity: true }),
      unit: fc.string({ maxLength: 64 }),
    }),
  }),
);

test("every frame of the protocol is read back as it was meant", () => {
  fc.assert(
    fc.property(frame, (meant) => {
      const sent = JSON.parse(JSON.stringify(meant)) as { [name: string]: Json };
      assert.deepEqual({ ...parseClientFrame({ v: 1, ...sent }) }, sent);
    }),
  );
});

test("a frame with any field missing, changed in kind, or added is refused, and no input throws", () => {
  fc.assert(
    fc.property(frame, fc.jsonValue(), fc.nat(9), (meant, junk, pick) => {
      const whole: Record<string, Json> = { v: 1, ...meant };
      const names = Object.keys(whole);
      const name = names[pick % names.length] as string;
      const { [name]: _gone, ...less } = whole;
      // A ping says no number where there is none.
      assert.equal(parseClientFrame(less) === undefined, name !== "bound");
      assert.equal(parseClientFrame({ ...whole, extra: junk as Json }), undefined);
      assert.equal(parseClientFrame({ ...whole, [name]: [junk as Json] }), undefined);
      if (name !== "below") assert.equal(parseClientFrame({ ...whole, [name]: null }), undefined);
    }),
  );
  fc.assert(fc.property(fc.jsonValue(), (junk) => parseClientFrame(junk as Json) === undefined));
  assert.equal(
    parseClientFrame(JSON.parse('{"__proto__":{"v":1},"type":"create","nonce":"12345678"}') as Json),
    undefined,
  );
});

test("a bucket lets through its burst and then its rate, whatever the times, and refuses aloud once", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 4, max: 600 }),
      fc.array(fc.nat(2000), { maxLength: 400 }),
      (perMinute, waits) => {
        let bucket: Bucket | undefined;
        let at = 0;
        let allowed = 0;
        let told = false;
        for (const wait of waits) {
          at += wait;
          const taken = take(bucket, perMinute, at);
          bucket = taken.bucket;
          if (taken.allowed) {
            allowed++;
            told = false;
            continue;
          }
          assert.equal(taken.tell, !told);
          told = true;
          assert.ok(
            take(bucket, perMinute, at + taken.retryAfterMs + 1).allowed,
            "the wait it names is enough",
          );
        }
        assert.ok(allowed <= burstOf(perMinute) + (at * perMinute) / 60_000 + 1);
        if (bucket) assert.ok(isFull(bucket, perMinute, at + 60_000));
      },
    ),
  );
});

const OWN = usualPolicy(SESSION_POLICY);

test("an answer of a policy capsule that is out of bounds or not understood is none, and the place is told", () => {
  const wrong: [Json, string][] = [
    [null, "expected an object"],
    [{ policy: [] }, "/policy: expected an object"],
    [{ policy: { sessionTtlMs: 999 } }, "/policy/sessionTtlMs: expected a whole number from 1000 to 259200"],
    [
      { policy: { maxSwitchesPerMinute: 1.5 } },
      "/policy/maxSwitchesPerMinute: expected a whole number from 1 to ",
    ],
    [{ policy: { sessionTtlMs: 2000, more: 1 } }, "/policy/more: unknown field"],
  ];
  for (const [value, place] of wrong) {
    const { policy, evidence } = choosePolicy({ ok: true, value }, OWN);
    assert.deepEqual([policy, evidence.by, evidence.problem], [OWN, "gateway", "ANSWER_UNFIT"]);
    assert.ok(evidence.reason?.startsWith(place.slice(0, 64)), `${evidence.reason}`);
  }
  const refused = choosePolicy({ ok: false, code: "NOT_TODAY", message: "" }, OWN);
  assert.deepEqual(refused, { policy: OWN, evidence: { by: "gateway", problem: "NOT_TODAY", reason: null } });
});

test("whatever a policy capsule answers, the policy is whole and within its bounds", () => {
  const policy = fc.dictionary(
    fc.constantFrom(...Object.keys(SESSION_POLICY)),
    fc.oneof(fc.integer(), fc.jsonValue()),
  );
  fc.assert(
    fc.property(fc.oneof(fc.record({ policy, reason: fc.jsonValue() }), fc.jsonValue()), (value) => {
      const chosen = choosePolicy({ ok: true, value: value as Json }, OWN);
      assert.deepEqual(Object.keys(chosen.policy), Object.keys(SESSION_POLICY));
      for (const [name, { min, max }] of Object.entries(SESSION_POLICY)) {
        const given = chosen.policy[name as keyof typeof OWN];
        assert.ok(Number.isInteger(given) && given >= min && given <= max, name);
      }
    }),
  );
});
