/** The session machine: every event in every state it can reach, against a dumb model and the numbered invariants. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  assertSession,
  assertStep,
  BINDINGS,
  InvariantViolation,
  REJECTION_REASONS,
  type Session,
  type SessionEvent,
  type SessionPolicy,
  type State,
  type Step,
  SWITCH_WINDOW_MS,
  TRANSITION_REASONS,
} from "@vnes/vpn-common";
import { birth, lossDeadline, sessionDeadline, step, TRANSITIONS } from "../src/machine.ts";

const POLICY: SessionPolicy = { sessionTtlMs: 5000, transportLossTtlMs: 1000, maxSwitchesPerMinute: 2 };
const OWNER = "owner";
const STATES = Object.keys(BINDINGS) as State[];

/** Every event that can matter in this session, the wrong ones included. */
function eventsFor(session: Session): readonly SessionEvent[] {
  const bound = session.binding?.channelId ?? "none";
  const to = { channelId: "next", pathId: "p" };
  const claim = {
    trigger: "reattach",
    owner: OWNER,
    epoch: session.epoch,
    version: session.version,
    ...to,
  } as const;
  return [
    { trigger: "attach", owner: OWNER, ...to },
    { trigger: "attach", owner: "other", ...to },
    claim,
    { ...claim, owner: "other" },
    { ...claim, owner: "other", version: session.version + 1 },
    { ...claim, epoch: session.epoch - 1 },
    { ...claim, epoch: session.epoch + 1 },
    { ...claim, version: Math.max(0, session.version - 1) },
    { ...claim, version: session.version + 1 },
    { trigger: "pathSilent", channelId: bound },
    { trigger: "pathSilent", channelId: "elsewhere" },
    { trigger: "pathAlive", channelId: bound },
    { trigger: "pathAlive", channelId: "elsewhere" },
    { trigger: "transportLost", channelId: bound },
    { trigger: "transportLost", channelId: "elsewhere" },
    { trigger: "degrade" },
    { trigger: "restore" },
    { trigger: "terminate", cause: "CLIENT_CLOSED" },
    { trigger: "sessionClock" },
    { trigger: "lossClock" },
  ];
}

function checkStep(before: Session, event: SessionEvent, at: number, result: Step): void {
  assert.equal(
    JSON.stringify(step(before, event, at)),
    JSON.stringify(result),
    "the same event, the same step",
  );
  if (result.kind === "rejected") {
    assert.ok(result.reason in REJECTION_REASONS);
    assert.equal(result.state, before.state);
    return;
  }
  const { session } = result;
  assertSession(session);
  assert.notEqual(before.state, "TERMINATED", "V2");
  assert.equal(session.version, before.version + 1, "V4");
  assert.deepEqual(
    [session.id, session.owner, session.createdAt],
    [before.id, before.owner, before.createdAt],
    "V3",
  );
  assert.equal(session.binding === null ? 0 : 1, BINDINGS[session.state], "V1");
  assert.ok(result.reason in TRANSITION_REASONS);
  assert.equal(session.reason, result.reason);
  if (event.trigger === "transportLost" && result.trigger === "transportLost") {
    assert.equal(session.state, "RECOVERING", "V8");
  }
}

/** What decides the future of a session, with times as distances: two sessions alike in this behave alike. */
function shapeOf(session: Session, at: number): string {
  const { state, binding, lossSince, switches } = session;
  return JSON.stringify([
    state,
    binding?.channelId ?? null,
    lossSince === null ? null : at - lossSince,
    switches.map((switchedAt) => at - switchedAt),
    at - session.createdAt,
    Math.min(session.epoch, 3),
  ]);
}

/** In place a change would throw: test files are modules, and modules are strict. */
function frozen(session: Session): Session {
  Object.freeze(session.binding);
  Object.freeze(session.switches);
  return Object.freeze(session);
}

const DEPTH = 7;

test(`every event in every reachable state to depth ${DEPTH} keeps V1 to V9, and a rejection changes nothing`, () => {
  const reached = new Set<State>();
  const taken = new Set<string>();
  let steps = 0;
  // Which clock ends a session first depends on the policy.
  for (const policy of [POLICY, { ...POLICY, sessionTtlMs: 1000, transportLossTtlMs: 5000 }]) {
    let frontier = [{ session: frozen(birth("ses_1", OWNER, policy, 0)), at: 0 }];
    const seen = new Set<string>();
    for (let depth = 0; depth < DEPTH; depth++) {
      const next: typeof frontier = [];
      for (const { session, at } of frontier) {
        for (const wait of [0, 400, 1000]) {
          for (const event of eventsFor(session)) {
            const now = at + wait;
            const result = step(session, event, now);
            steps++;
            checkStep(session, event, now, result);
            if (result.kind === "rejected") continue;
            taken.add(`${result.trigger} ${result.from} ${result.session.state}`);
            reached.add(result.session.state);
            const shape = shapeOf(result.session, now);
            if (seen.has(shape)) continue;
            seen.add(shape);
            next.push({ session: frozen(result.session), at: now });
          }
        }
      }
      frontier = next;
    }
  }
  assert.ok(steps > 10_000, `${steps} steps`);
  assert.deepEqual([...reached].sort(), STATES.filter((state) => state !== "BIRTH").sort());
  for (const row of TRANSITIONS) {
    for (const from of row.from) {
      assert.ok(
        taken.has(`${row.trigger} ${from} ${row.to}`),
        `never taken: ${row.trigger} from ${from} to ${row.to}`,
      );
    }
  }
});

/** Written down a second time, by hand, from docs/protocol.md: which trigger is legal where. */
const LEGAL: { readonly [state in State]: readonly string[] } = {
  BIRTH: ["attach", "terminate", "sessionClock", "lossClock"],
  ATTACHED: ["reattach", "pathSilent", "transportLost", "degrade", "terminate", "sessionClock"],
  VOLATILE: ["reattach", "pathAlive", "transportLost", "terminate", "sessionClock", "lossClock"],
  DEGRADED: ["reattach", "pathSilent", "transportLost", "restore", "terminate", "sessionClock"],
  RECOVERING: ["reattach", "terminate", "sessionClock", "lossClock"],
  TERMINATED: [],
};

test("the table allows exactly what the protocol lists", () => {
  for (const state of STATES) {
    const allowed = new Set(TRANSITIONS.filter((row) => row.from.includes(state)).map((row) => row.trigger));
    assert.deepEqual([...allowed].sort(), [...LEGAL[state]].sort(), state);
  }
});

test("no sequence of events, times and claims breaks an invariant or moves an ended session (V1 to V9)", () => {
  const claim = fc.record({
    pick: fc.nat(19),
    wait: fc.oneof(fc.nat(300), fc.nat(3000), fc.constant(SWITCH_WINDOW_MS)),
  });
  const policy = fc.record({
    sessionTtlMs: fc.integer({ min: 1000, max: 500_000 }),
    transportLossTtlMs: fc.integer({ min: 100, max: 20_000 }),
    maxSwitchesPerMinute: fc.integer({ min: 1, max: 4 }),
  });
  fc.assert(
    fc.property(policy, fc.array(claim, { maxLength: 60 }), (given, claims) => {
      let session = birth("ses_1", OWNER, given, 0);
      let at = 0;
      let ended = false;
      const switches: number[] = [];
      for (const { pick, wait } of claims) {
        at += wait;
        const event = eventsFor(session)[pick] as SessionEvent;
        const result = step(session, event, at);
        checkStep(session, event, at, result);
        if (result.kind === "rejected") {
          assert.equal(ended, session.state === "TERMINATED");
          continue;
        }
        assert.ok(!ended, "V2");
        if (result.trigger === "reattach" && result.session.state === "ATTACHED") {
          switches.push(at);
          const window = switches.filter((one) => one > at - SWITCH_WINDOW_MS);
          assert.ok(window.length <= given.maxSwitchesPerMinute, "V7");
        }
        // However late its timer, no clock is overrun by another event.
        if (result.session.state !== "TERMINATED") {
          assert.ok(at < sessionDeadline(result.session));
          assert.ok(at < (lossDeadline(result.session) ?? Number.POSITIVE_INFINITY));
        }
        session = result.session;
        ended = session.state === "TERMINATED";
      }
    }),
    { numRuns: 300 },
  );
});

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
