/** The gateway turn by turn, between a session's owner and a transport that answer when the test says so. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Answer, Json, JsonObject } from "@vnes/sdk";
import { CapsuleHarness } from "@vnes/sdk/testing";
import { MAX_NAMES } from "@vnes/vpn-common";
import gateway from "../src/main.ts";

const PEER = `${"A".repeat(43)}=`;
const SESSION = "ses_00000000000000000000";
const CHANNEL = "chn_00000000000000000001";
const NEXT = "chn_00000000000000000002";
const NONCE = "non_00000000000000000000";

const outcome = (fields: JsonObject): Answer => ({
  ok: true,
  value: {
    ...{
      outcome: "accepted",
      reason: "ATTACHED_FIRST",
      trigger: "attach",
      repeated: false,
      sessionId: SESSION,
    },
    ...{ state: "ATTACHED", version: 2, epoch: 1, channelId: CHANNEL, previousChannelId: null },
    ...{ retryAfterMs: null, bound: null },
    ...fields,
  },
});

class Desk {
  readonly node: CapsuleHarness;

  constructor() {
    gateway.reset();
    this.node = new CapsuleHarness(gateway, { forgetful: true });
    this.node.start({ admit: [{ peer: PEER, name: "laptop" }] });
    for (const channelId of [CHANNEL, NEXT]) this.channel(channelId, { event: "opened", role: "responder" });
  }

  channel(channelId: string, event: JsonObject): void {
    this.node.event("vpn.channel.v1", { channelId, pathId: "udp", peer: PEER, ...event });
  }

  frame(channelId: string, frame: JsonObject): void {
    this.channel(channelId, { event: "frame", frame: { v: 1, nonce: NONCE, ...frame } });
  }

  moved(version: number, epoch: number, to: string, channelId: string | null): void {
    const binding = channelId === null ? null : { channelId, pathId: "udp" };
    this.node.event("vpn.session.v1", {
      ...{
        sessionId: SESSION,
        owner: PEER,
        version,
        from: null,
        to,
        trigger: "attach",
        reason: "ATTACHED_FIRST",
      },
      ...{
        epoch,
        bindings: binding === null ? 0 : 1,
        binding,
        released: null,
        at: this.node.at,
        evidence: {},
      },
    });
  }

  /** What is asked and not answered yet, of one method. */
  asked(method: string): readonly JsonObject[] {
    return [...this.node.open.values()].flatMap((call) =>
      call.do === "call" && call.method === method ? [call.input as JsonObject] : [],
    );
  }

  answer(method: string, answer: Answer): void {
    const found = [...this.node.open].find(([, call]) => call.do === "call" && call.method === method);
    assert.ok(found, `nobody asked ${method}`);
    this.node.answer(found[0], answer);
  }

  mirror(): JsonObject {
    return this.node.keys.values.get(`mirror/${SESSION}`) as JsonObject;
  }

  /** Channels that a session is bound to here. */
  bound(): readonly string[] {
    return [...this.node.keys.values.keys()].filter((key) => key.startsWith("bound/"));
  }

  /** Frames of this type that were given to the transport. */
  sent(type: string): readonly JsonObject[] {
    return this.asked("send").filter(({ frame }) => (frame as JsonObject)["type"] === type);
  }

  denials(): readonly string[] {
    return [...this.node.keys.values]
      .filter(([key]) => key === "count")
      .flatMap(([, counters]) => Object.keys(counters as { readonly [name: string]: Json }))
      .filter((name) => name.startsWith("rejected."));
  }
}

/** A session bound to the first channel, its client told. */
function attached(): Desk {
  const desk = new Desk();
  desk.moved(2, 1, "ATTACHED", CHANNEL);
  return desk;
}

test("an event that is late, or comes again, moves no mirror back (G1), and leaves one bound channel (G2)", () => {
  const desk = attached();
  desk.moved(3, 2, "ATTACHED", NEXT);
  const now = desk.mirror();
  for (const version of [1, 2, 3]) {
    desk.moved(version, 1, "ATTACHED", CHANNEL);
    assert.deepEqual(desk.mirror(), now, `version ${version}`);
    assert.deepEqual(desk.bound(), [`bound/${NEXT}`]);
  }
  // The answer to an attach that was overtaken by the session's own events says no less.
  desk.frame(CHANNEL, { type: "reattach", sessionId: SESSION, epoch: 1, version: 2 });
  desk.answer("reattach", outcome({ reason: "REATTACHED", version: 2, epoch: 1 }));
  assert.deepEqual(desk.mirror(), now);
  assert.deepEqual(desk.bound(), [`bound/${NEXT}`]);
  assert.equal(desk.sent("accepted").length, 0);
});

test("a client is told accepted after its session is bound and the transport has said so, and not before (G3)", () => {
  const desk = attached();
  desk.frame(NEXT, { type: "reattach", sessionId: SESSION, epoch: 1, version: 2 });
  assert.equal(desk.asked("setActive").length, 0, "nothing is active before the owner decided");
  desk.answer("reattach", outcome({ reason: "REATTACHED", version: 3, epoch: 2, channelId: NEXT }));
  assert.deepEqual(
    desk.asked("setActive").map(({ channelId, epoch }) => [channelId, epoch]),
    [[NEXT, 2]],
  );
  assert.equal(desk.sent("accepted").length, 0, "the transport has not answered");
  desk.answer("setActive", { ok: true, value: { applied: true } });
  assert.deepEqual(
    desk.sent("accepted").map(({ channelId }) => channelId),
    [NEXT],
  );
});

test("what the transport did not apply, or could not, is not told as accepted (G3)", () => {
  for (const answer of [
    { ok: true, value: { applied: false } },
    { ok: false, code: "TRANSPORT_CHANNEL_UNKNOWN", message: "gone" },
    { ok: false, code: "CALL_TIMEOUT", message: "late" },
  ] as const) {
    const desk = attached();
    desk.frame(NEXT, { type: "reattach", sessionId: SESSION, epoch: 1, version: 2 });
    desk.answer("reattach", outcome({ reason: "REATTACHED", version: 3, epoch: 2, channelId: NEXT }));
    desk.answer("setActive", answer);
    assert.equal(desk.sent("accepted").length, 0);
  }
});

test("an owner that closes its session and then its channel lost nothing: no loss is reported, unless the session goes on", () => {
  const desk = attached();
  desk.frame(CHANNEL, { type: "close", sessionId: SESSION });
  desk.channel(CHANNEL, { event: "closed", reason: "peerClosed" });
  assert.equal(desk.asked("transportLost").length, 0);

  const busy = attached();
  busy.frame(CHANNEL, { type: "close", sessionId: SESSION });
  busy.answer("terminate", { ok: false, code: "CALL_TIMEOUT", message: "late" });
  busy.channel(CHANNEL, { event: "closed", reason: "peerClosed" });
  assert.equal(busy.asked("transportLost").length, 1);

  const another = attached();
  another.frame(CHANNEL, { type: "close", sessionId: "ses_99999999999999999999" });
  another.channel(CHANNEL, { event: "closed", reason: "peerClosed" });
  assert.equal(another.asked("transportLost").length, 1);
});

test("a request that nobody decided in time is denied with the time that was waited", () => {
  const desk = attached();
  desk.frame(NEXT, { type: "reattach", sessionId: SESSION, epoch: 1, version: 2 });
  desk.answer("reattach", { ok: false, code: "CALL_TIMEOUT", message: "late" });
  const [told] = desk.sent("rejected").map(({ frame }) => frame as JsonObject);
  assert.deepEqual(
    [told?.["reason"], told?.["bound"]],
    ["GATEWAY_BUSY", { bound: "decideMs", limit: 2000, value: 2000, unit: "ms" }],
  );
  assert.deepEqual(desk.denials(), ["rejected.GATEWAY_BUSY"]);
});

test("codes that a policy capsule makes up are counted, and what is kept does not grow with them", () => {
  const desk = new Desk();
  const counted = (): { readonly [name: string]: number } =>
    desk.node.keys.values.get("count") as { readonly [name: string]: number };
  for (let n = 0; n < 400; n++) {
    desk.node.at += 60_000;
    desk.frame(CHANNEL, { type: "create" });
    desk.answer("session", { ok: false, code: `MADE_UP_${n}`, message: "no" });
    desk.answer("create", { ok: false, code: "CALL_TIMEOUT", message: "late" });
  }
  assert.equal(Object.keys(counted()).length, MAX_NAMES + 1);
  assert.ok((counted()["other"] ?? 0) > 100);
});

test("a channel whose opening nobody heard of, and that carries no session, is closed like any other", () => {
  const desk = new Desk();
  const unheard = "chn_00000000000000000003";
  desk.frame(unheard, { type: "ping", sessionId: SESSION, size: 0, below: null });
  desk.node.advance(60_000);
  assert.deepEqual(
    desk.asked("close").filter(({ channelId }) => channelId === unheard),
    [{ channelId: unheard, reason: "UNBOUND" }],
  );
});

test("a channel that closes while its binding is decided is reported lost, whether the owner's answer comes first or its event", () => {
  for (const isEventFirst of [false, true]) {
    const desk = attached();
    desk.frame(NEXT, { type: "reattach", sessionId: SESSION, epoch: 1, version: 2 });
    desk.channel(NEXT, { event: "closed", reason: "peerClosed" });
    if (isEventFirst) desk.moved(3, 2, "ATTACHED", NEXT);
    desk.answer("reattach", outcome({ reason: "REATTACHED", version: 3, epoch: 2, channelId: NEXT }));
    if (!isEventFirst) desk.moved(3, 2, "ATTACHED", NEXT);
    assert.deepEqual(
      desk.asked("transportLost").map(({ sessionId, channelId }) => [sessionId, channelId]),
      [[SESSION, NEXT]],
    );
    assert.equal(desk.sent("accepted").length, 0);
  }
});

test("a channel that closes while its binding is decided is reported lost where only the event of it comes", () => {
  const late: Answer = { ok: false, code: "CALL_TIMEOUT", message: "late" };
  const lost = (desk: Desk): readonly Json[] =>
    desk.asked("transportLost").map(({ sessionId, channelId }) => [sessionId, channelId] as Json);

  for (const isEventFirst of [false, true]) {
    const desk = attached();
    desk.frame(NEXT, { type: "reattach", sessionId: SESSION, epoch: 1, version: 2 });
    desk.channel(NEXT, { event: "closed", reason: "peerClosed" });
    if (isEventFirst) desk.moved(3, 2, "ATTACHED", NEXT);
    desk.answer("reattach", late);
    if (!isEventFirst) desk.moved(3, 2, "ATTACHED", NEXT);
    assert.deepEqual(lost(desk), [[SESSION, NEXT]]);
    // What it was bound to before carries it no more.
    assert.deepEqual(
      desk.asked("close").map(({ channelId, reason }) => [channelId, reason]),
      [[CHANNEL, "REPLACED"]],
    );
    // The report may be lost, too: the watch still asks for the channel, and reports it again.
    desk.answer("transportLost", late);
    desk.node.advance(10_000);
    assert.ok(desk.asked("channels").some(({ channelIds }) => (channelIds as Json[]).includes(NEXT)));
    desk.answer("channels", { ok: true, value: { channels: [], unknown: [NEXT] } });
    assert.deepEqual(lost(desk), [[SESSION, NEXT]]);
  }

  const first = new Desk();
  first.frame(CHANNEL, { type: "create" });
  first.answer("session", { ok: false, code: "CALL_CAPABILITY_UNAVAILABLE", message: "none" });
  first.answer("create", outcome({ reason: "CREATED", state: "BIRTH", version: 1, epoch: 0 }));
  first.channel(CHANNEL, { event: "closed", reason: "peerClosed" });
  first.answer("attach", late);
  first.moved(2, 1, "ATTACHED", CHANNEL);
  assert.deepEqual(lost(first), [[SESSION, CHANNEL]]);
});

test("a closed channel is remembered while its binding may still be told, and no longer", () => {
  const kept = (desk: Desk): readonly string[] =>
    [...desk.node.keys.values.keys()].filter((key) => key.startsWith("here/"));
  const watched = (desk: Desk): void => {
    desk.node.advance(10_000);
    const gone = [...new Set(desk.asked("channels").flatMap(({ channelIds }) => channelIds as string[]))];
    desk.answer("channels", { ok: true, value: { channels: [], unknown: gone } });
    desk.node.open.clear();
  };
  const desk = new Desk();
  desk.channel(CHANNEL, { event: "closed", reason: "peerClosed" });
  assert.deepEqual(kept(desk), [`here/${NEXT}`], "nothing was asked for over it");
  desk.frame(NEXT, { type: "create" });
  desk.channel(NEXT, { event: "closed", reason: "peerClosed" });
  assert.deepEqual(kept(desk), [`here/${NEXT}`]);
  watched(desk);
  watched(desk);
  assert.deepEqual(kept(desk), []);
});
