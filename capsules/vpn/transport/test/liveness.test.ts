import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createLiveness } from "../src/liveness.ts";

const RHYTHM = { keepaliveMs: 50, silentMs: 200, deadMs: 1000 };
const kinds = (events: readonly { readonly kind: string }[]) => events.map((event) => event.kind);

test("before the first authenticated frame there is no silence (LV1)", () => {
  const live = createLiveness(RHYTHM, 0);
  assert.deepEqual(kinds(live.tick(10_000)), ["keepalive"]);
  live.received(10_000, null);
  live.sent(10_200);
  assert.deepEqual(live.tick(10_199), []);
  assert.deepEqual(live.tick(10_200), [{ kind: "silent", silentMs: 200, direction: "in" }]);
});

test("silence is reported once, then the way back or the end once (LV2)", () => {
  const live = createLiveness({ ...RHYTHM, keepaliveMs: 1e6 }, 0);
  live.received(0, null);
  assert.deepEqual(kinds(live.tick(200)), ["silent"]);
  assert.deepEqual(kinds(live.tick(500)), []);
  assert.deepEqual(live.received(600, null), { kind: "alive" });
  assert.equal(live.received(610, null), null);
  assert.deepEqual(kinds(live.tick(810)), ["silent"]);
  assert.deepEqual(kinds(live.tick(1610)), ["dead"]);
});

test("a process that overslept looks at its sockets before it judges, but only once (LV3)", () => {
  const live = createLiveness({ ...RHYTHM, keepaliveMs: 1e6 }, 0);
  live.received(0, null);
  assert.deepEqual(live.tick(700), [], "we slept, not the path");
  assert.equal(live.wakeAt(), 720);
  assert.equal(live.received(705, null), null, "the frames that waited for us are there: no alarm at all");
  assert.deepEqual(live.tick(1500), []);
  assert.deepEqual(kinds(live.tick(1600)), ["silent"], "nothing had come: a second nap is no excuse");
});

test("the next wake-up is the earlier of keepalive and judgement", () => {
  const live = createLiveness(RHYTHM, 0);
  assert.equal(live.wakeAt(), 50);
  live.received(10, null);
  live.sent(180);
  assert.equal(live.wakeAt(), 210);
});

test("an end that is told it is not heard reports it once, whatever else it hears, until it is heard again (LV4)", () => {
  const live = createLiveness({ ...RHYTHM, keepaliveMs: 1e6 }, 0);
  assert.equal(live.received(10, 0), null);
  assert.deepEqual(live.received(260, 250), { kind: "silent", silentMs: 250, direction: "out" });
  assert.equal(live.received(300, 290), null);
  assert.equal(live.received(310, null), null, "a frame that says nothing of us is no proof");
  assert.ok(live.silent() && live.deafMs(310) === 0);
  assert.deepEqual(live.received(350, 0), { kind: "alive" });
  assert.ok(!live.silent());
});

test("an end that is not heard gives the channel up after the same time as one that hears nothing (LV4)", () => {
  const live = createLiveness({ ...RHYTHM, keepaliveMs: 1e6 }, 0);
  for (let at = 100; at < 1100; at += 100) {
    live.received(at, at);
    assert.deepEqual(live.tick(at), [], `${at}`);
  }
  live.received(1100, 1100);
  assert.equal(live.wakeAt(), 1100);
  assert.deepEqual(live.tick(1100), [{ kind: "dead", silentMs: 1000, direction: "out" }]);
});

test("whatever is heard and when: silent, alive and dead alternate, and nothing alive is silent in one direction (LV2, LV4)", () => {
  const moment = fc.record({ wait: fc.nat(400), heard: fc.constantFrom(0, 250, null, "nothing" as const) });
  fc.assert(
    fc.property(fc.array(moment, { maxLength: 80 }), (moments) => {
      const live = createLiveness({ ...RHYTHM, keepaliveMs: 1e6 }, 0);
      const told: string[] = [];
      let unheard = false;
      let at = 0;
      for (const { wait, heard } of moments) {
        at += wait;
        // As the driver does: ticks whenever one is due.
        for (let due = live.wakeAt(); due <= at; due = live.wakeAt()) {
          const events = kinds(live.tick(due));
          told.push(...events);
          if (told.at(-1) === "dead") return;
          if (live.wakeAt() <= due) assert.ok(events.length > 0, "a tick that is due does something");
        }
        if (heard === "nothing") continue;
        const news = live.received(at, heard);
        if (news !== null) told.push(news.kind);
        if (heard !== null) unheard = heard > 0;
        assert.equal(live.silent(), unheard);
      }
      told.reduce((before, now) => {
        assert.notEqual(now, before, told.join(" "));
        return now;
      }, "alive");
    }),
    { numRuns: 500 },
  );
});
