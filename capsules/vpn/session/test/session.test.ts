/** The capsule around the machine, turn by turn as the kernel runs it: nonces, compare-and-set, bounds, pages. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json, JsonObject } from "@vnes/sdk";
import { CapsuleHarness } from "@vnes/sdk/testing";
import { Lab } from "../../test/lab.ts";
import { Node } from "../../test/lab-node.ts";
import { SPECS } from "../../test/specs.ts";
import session from "../src/main.ts";
import { RECORDED_ANSWERS } from "../src/nonces.ts";
import { MAX_ENDED_SESSIONS } from "../src/store.ts";

const POLICY = { sessionTtlMs: 3_600_000, transportLossTtlMs: 10_000, maxSwitchesPerMinute: 30 };

function open(config: Json = null): {
  node: Node;
  lab: Lab;
  call: (method: string, input: Json) => JsonObject;
} {
  const lab = new Lab(7);
  const node = new Node(lab, "gateway", () => ({
    call: () => assert.fail("no driver here"),
    stop: () => {},
  }));
  node.add(SPECS.session, session, config);
  node.boot();
  return { node, lab, call: (method, input) => node.value("vpn.session", method, input) };
}

function keyOf(n: number): string {
  return `${String(n).padStart(43, "0")}=`;
}

function nonce(n: number): string {
  return `non_${String(n).padStart(20, "0")}`;
}

function born(
  call: (method: string, input: Json) => JsonObject,
  n = 1,
): { sessionId: string; owner: string } {
  const owner = keyOf(n);
  const created = call("create", { owner, nonce: nonce(n), policy: POLICY });
  return { sessionId: created["sessionId"] as string, owner };
}

function attached(
  call: (method: string, input: Json) => JsonObject,
  n = 1,
): { sessionId: string; owner: string } {
  const one = born(call, n);
  const answer = call("attach", { ...one, nonce: nonce(n), channelId: `chn${n}`, pathId: "udp" });
  assert.equal(answer["outcome"], "accepted");
  return one;
}

test("a request that comes twice is decided once and answered alike (V11)", () => {
  const { call, node } = open();
  const one = attached(call);
  const request = { ...one, nonce: nonce(50), epoch: 1, version: 2, channelId: "b", pathId: "tcp" };
  const first = call("reattach", request);
  const again = call("reattach", request);
  assert.deepEqual(again, { ...first, repeated: true });
  assert.deepEqual([first["epoch"], first["previousChannelId"], first["channelId"]], [2, "chn1", "b"]);
  // Rejections are recorded too: the same words never get two answers.
  const stale = { ...request, nonce: nonce(51) };
  assert.equal(call("reattach", stale)["reason"], "EPOCH_STALE");
  assert.deepEqual(
    [call("reattach", stale)["repeated"], call("reattach", stale)["reason"]],
    [true, "EPOCH_STALE"],
  );
  // Three transitions, and the rejection once.
  assert.deepEqual(
    node.published.map(({ topic }) => topic),
    ["vpn.session.v1", "vpn.session.v1", "vpn.session.v1", "vpn.denial.v1"],
  );
});

test("a nonce that fell out of the memory is too old to bind anything", () => {
  const { call, lab } = open();
  const one = attached(call);
  const first = { ...one, nonce: nonce(100), epoch: 1, version: 2, channelId: "c100", pathId: "udp" };
  assert.equal(call("reattach", first)["outcome"], "accepted");
  for (let n = 1; n <= RECORDED_ANSWERS; n++) {
    lab.advance(3000);
    const next = { ...first, nonce: nonce(100 + n), epoch: 1 + n, channelId: `c${100 + n}` };
    assert.equal(call("reattach", next)["outcome"], "accepted");
  }
  const replayed = call("reattach", first);
  assert.deepEqual(
    [replayed["outcome"], replayed["reason"], replayed["repeated"]],
    ["rejected", "EPOCH_STALE", false],
  );
});

test("a key has one live session; the creation of an ended one is not repeated into a new one (V10)", () => {
  const { call } = open();
  const one = attached(call);
  const second = { owner: one.owner, nonce: nonce(9), policy: POLICY };
  assert.equal(call("create", second)["reason"], "OWNER_HAS_SESSION");
  const again = call("create", { ...second, nonce: nonce(1) });
  assert.deepEqual(
    [again["outcome"], again["sessionId"], again["repeated"]],
    ["accepted", one.sessionId, true],
  );
  call("terminate", { sessionId: one.sessionId });
  const late = call("create", { ...second, nonce: nonce(1) });
  assert.deepEqual([late["outcome"], late["sessionId"]], ["terminated", one.sessionId]);
  assert.notEqual(call("create", second)["sessionId"], one.sessionId);
});

test("a mutator that expects another version changes nothing; it is an error to a person", () => {
  const { call, node } = open();
  const { sessionId } = attached(call);
  assert.equal(
    call("pathSilent", { sessionId, channelId: "chn1", expectedVersion: 1 })["reason"],
    "VERSION_CONFLICT",
  );
  const refused = node.ask("vpn.session", "terminate", { sessionId, expectedVersion: 1 });
  assert.ok(!refused.ok && refused.code === "VERSION_CONFLICT");
  const unknown = node.ask("vpn.session", "get", { sessionId: "ses_00000000000000000000" });
  assert.ok(!unknown.ok && unknown.code === "SESSION_UNKNOWN");
  assert.equal(call("get", { sessionId })["version"], 2);
  assert.equal(call("pathSilent", { sessionId, channelId: "chn1", expectedVersion: 2 })["version"], 3);
});

test("a stranger learns of a session only that it is another's, and changes nothing", () => {
  const { call, node } = open();
  const { sessionId } = attached(call);
  const answer = call("reattach", {
    sessionId,
    owner: keyOf(2),
    nonce: nonce(3),
    epoch: 1,
    version: 99,
    channelId: "x",
    pathId: "udp",
  });
  assert.deepEqual(
    [answer["reason"], answer["sessionId"], answer["state"], answer["version"], answer["epoch"]],
    ["OWNER_MISMATCH", null, null, 0, 0],
  );
  const end = { sessionId, owner: keyOf(2), cause: "CLIENT_CLOSED" };
  const refused = node.ask("vpn.session", "terminate", end);
  assert.ok(!refused.ok && refused.code === "OWNER_MISMATCH");
  assert.equal(call("get", { sessionId })["version"], 2);
});

test("below policy and back: degrade and restore are transitions like any other", () => {
  const { call } = open();
  const { sessionId } = attached(call);
  assert.deepEqual(
    ["degrade", "restore"].map((method) => call(method, { sessionId })["state"]),
    ["DEGRADED", "ATTACHED"],
  );
  assert.equal(call("get", { sessionId })["version"], 4);
});

test("a session nobody attaches ends by the loss clock, and both its timers are gone", () => {
  const { call, lab, node } = open();
  const { sessionId } = born(call);
  lab.advance(10_000);
  const view = call("get", { sessionId });
  assert.deepEqual([view["state"], view["reason"]], ["TERMINATED", "TRANSPORT_LOSS_TTL_EXPIRED"]);
  const published = node.published.length;
  lab.advance(7_200_000);
  assert.equal(node.published.length, published);
});

test(`at most ${MAX_ENDED_SESSIONS} ended sessions are kept, and what is let go of is counted`, () => {
  const { call, node } = open();
  for (let n = 1; n <= MAX_ENDED_SESSIONS + 5; n++) {
    const { sessionId } = born(call, n);
    call("terminate", { sessionId });
  }
  const { counters } = call("list", { limit: 1 }) as { counters: JsonObject };
  assert.deepEqual([counters["evicted"], counters["live"]], [5, 0]);
  const kept = [...node.keysOf(SPECS.session.id).keys()];
  assert.equal(kept.filter((key) => key.startsWith("ses/")).length, MAX_ENDED_SESSIONS);
  assert.equal(kept.filter((key) => key.startsWith("own/")).length, MAX_ENDED_SESSIONS);
});

test("a store is full at the number it was given, and has room again when a session ends", () => {
  const { call } = open({ maxSessions: 2 });
  const first = born(call, 1);
  born(call, 2);
  const third = { owner: keyOf(3), nonce: nonce(3), policy: POLICY };
  assert.equal(call("create", third)["reason"], "SESSIONS_FULL");
  call("terminate", { sessionId: first.sessionId });
  assert.equal(call("create", third)["outcome"], "accepted");
  for (const [config, problem] of [
    [{ maxSessions: 0 }, /SESSION_CONFIG_INVALID at \/maxSessions/],
    [{ maxSessions: 1_000_001 }, /SESSION_CONFIG_INVALID at \/maxSessions/],
    [{ sessions: 1 }, /SESSION_CONFIG_INVALID at \/sessions/],
  ] as const)
    assert.throws(() => open(config), problem);
});

test("an id whose place is another session's by now is unknown", () => {
  const { call, node } = open();
  const gone = Array.from({ length: MAX_ENDED_SESSIONS + 1 }, (_, n) => {
    const { sessionId } = born(call, n + 1);
    call("terminate", { sessionId });
    return sessionId;
  })[0] as string;
  const next = born(call, 9_999).sessionId;
  assert.equal(next.slice(0, 9), gone.slice(0, 9), "the place is given again");
  const late = node.ask("vpn.session", "get", { sessionId: gone });
  assert.ok(!late.ok && late.code === "SESSION_UNKNOWN");
  assert.equal(call("get", { sessionId: next })["state"], "BIRTH");
});

test("one timer keeps both clocks: set early it finds nothing due, and what is due still ends the session in time (V6)", () => {
  const { call, lab, node } = open();
  const { sessionId } = attached(call);
  const state = () => call("get", { sessionId })["state"];
  // The loss clock of its birth is still set, and finds it attached.
  lab.advance(10_000);
  assert.equal(state(), "ATTACHED");
  // Silence, life, silence: the clock runs from the last one.
  for (const method of ["pathSilent", "pathAlive", "pathSilent"]) {
    assert.equal(call(method, { sessionId, channelId: "chn1" })["outcome"], "accepted");
    lab.advance(method === "pathSilent" ? 6_000 : 1_000);
  }
  lab.advance(3_900);
  assert.equal(state(), "VOLATILE");
  lab.advance(100);
  assert.deepEqual(
    [state(), call("get", { sessionId })["reason"]],
    ["TERMINATED", "TRANSPORT_LOSS_TTL_EXPIRED"],
  );
  const other = attached(call, 2);
  lab.advance(POLICY.sessionTtlMs);
  assert.equal(call("get", { sessionId: other.sessionId })["reason"], "SESSION_TTL_EXPIRED");
  assert.deepEqual(node.timersOf(SPECS.session.id), []);
});

test("a clock that is due acts before whatever meets the session, however late its timer fires", () => {
  const owner = keyOf(1);
  const end = ["terminated", "TRANSPORT_LOSS_TTL_EXPIRED"];
  const meetings: readonly (readonly [
    method: string,
    input: (sessionId: string) => JsonObject,
    told: readonly Json[],
  ])[] = [
    ["reattach", (sessionId) => ({ ...to(sessionId), ...jump }), [...end, "lossClock", false]],
    ["degrade", (sessionId) => ({ sessionId, expectedVersion: 1 }), [...end, "lossClock", false]],
    ["create", () => ({ owner, nonce: nonce(1), policy: POLICY }), [...end, "create", true]],
    ["create", () => ({ owner, nonce: nonce(2), policy: POLICY }), ["accepted", "CREATED", "create", false]],
  ];
  const jump = { nonce: nonce(50), epoch: 1, version: 2 };
  const to = (sessionId: string): JsonObject => ({ sessionId, owner, channelId: "chn", pathId: "udp" });
  for (const [method, input, told] of meetings) {
    session.reset();
    const harness = new CapsuleHarness(session, { forgetful: true });
    const ask = (name: string, given: JsonObject): JsonObject => {
      const { answer } = harness.call(`vpn.session.${name}`, given);
      assert.ok(answer?.ok, JSON.stringify(answer));
      return answer.value as JsonObject;
    };
    harness.start();
    const { sessionId } = ask("create", { owner, nonce: nonce(1), policy: POLICY }) as { sessionId: string };
    ask("attach", { ...to(sessionId), nonce: nonce(1) });
    assert.equal(ask("reattach", { ...to(sessionId), ...jump })["outcome"], "accepted");
    assert.equal(ask("transportLost", { sessionId, channelId: "chn" })["state"], "RECOVERING");
    // Its timer is due, and has not fired.
    harness.at += POLICY.transportLossTtlMs;
    const { outcome, reason, trigger, repeated } = ask(method, input(sessionId));
    assert.deepEqual([outcome, reason, trigger, repeated], told, method);
    const view = ask("get", { sessionId });
    assert.deepEqual([view["state"], view["version"]], ["TERMINATED", 5]);
    harness.advance(1_000);
    assert.equal(ask("get", { sessionId })["version"], 5, "the timer finds nothing left to end");
  }
});

test("a page looks at so many places and no more: it may be short of sessions, never of one that is there", () => {
  const { call } = open();
  const kept: string[] = [];
  for (let n = 1; n <= MAX_ENDED_SESSIONS + 60; n++) {
    const { sessionId } = born(call, n);
    if (n % 3 === 0) kept.push(sessionId);
    else call("terminate", { sessionId });
  }
  const seen: string[] = [];
  let after = "";
  for (let pages = 0; ; pages++) {
    assert.ok(pages < 40, "it goes on for ever");
    const page = call("list", { after, limit: 10, state: "BIRTH" }) as {
      sessions: { sessionId: string }[];
      next: string | null;
    };
    assert.ok(page.sessions.length <= 10);
    seen.push(...page.sessions.map((one) => one.sessionId));
    if (page.next === null) break;
    after = page.next;
  }
  assert.deepEqual(seen, kept);
});

test("a list comes in pages, each session once, in the order of ids", () => {
  const { call } = open();
  for (let n = 1; n <= 25; n++) attached(call, n);
  const seen: string[] = [];
  let after = "";
  for (;;) {
    const page = call("list", { after, limit: 10 }) as {
      sessions: { sessionId: string }[];
      next: string | null;
    };
    seen.push(...page.sessions.map((one) => one.sessionId));
    if (page.next === null) break;
    after = page.next;
  }
  assert.equal(seen.length, 25);
  assert.deepEqual(seen, [...new Set(seen)].sort());
  assert.equal((call("list", { state: "TERMINATED" })["sessions"] as Json[]).length, 0);
});
