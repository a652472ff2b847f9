import assert from "node:assert/strict";
import { test } from "node:test";
import { createLiveness } from "../src/liveness.ts";

const RHYTHM = { keepaliveMs: 50, silentMs: 200, deadMs: 1000 };
const kinds = (events: readonly { readonly kind: string }[]) => events.map((event) => event.kind);

test("before the first authenticated frame there is no silence (L1)", () => {
  const live = createLiveness(RHYTHM, 0);
  assert.deepEqual(kinds(live.tick(10_000)), ["keepalive"]);
  live.received(10_000);
  live.sent(10_200);
  assert.deepEqual(live.tick(10_199), []);
  assert.deepEqual(live.tick(10_200), [{ kind: "silent", silentMs: 200 }]);
});

test("silence is reported once, then the way back or the end once (L2)", () => {
  const live = createLiveness({ ...RHYTHM, keepaliveMs: 1e6 }, 0);
  live.received(0);
  assert.deepEqual(kinds(live.tick(200)), ["silent"]);
  assert.deepEqual(kinds(live.tick(500)), []);
  assert.equal(live.received(600), true);
  assert.equal(live.received(610), false);
  assert.deepEqual(kinds(live.tick(810)), ["silent"]);
  assert.deepEqual(kinds(live.tick(1610)), ["dead"]);
});

test("a process that overslept looks at its sockets before it judges, but only once (L3)", () => {
  const live = createLiveness({ ...RHYTHM, keepaliveMs: 1e6 }, 0);
  live.received(0);
  assert.deepEqual(live.tick(700), [], "we slept, not the path");
  assert.equal(live.wakeAt(), 720);
  assert.equal(live.received(705), false, "the frames that waited for us are there: no alarm at all");
  assert.deepEqual(live.tick(1500), []);
  assert.deepEqual(kinds(live.tick(1600)), ["silent"], "nothing had come: a second nap is no excuse");
});

test("the next wake-up is the earlier of keepalive and judgement", () => {
  const live = createLiveness(RHYTHM, 0);
  assert.equal(live.wakeAt(), 50);
  live.received(10);
  live.sent(180);
  assert.equal(live.wakeAt(), 210);
});
