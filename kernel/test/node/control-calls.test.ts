import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryClock } from "@vnes/driver-memory";
import type { Answer } from "@vnes/schemas";
import { ControlCalls } from "../../src/runtime/node/control-calls.ts";

const call = { capability: "c", method: "m", timeoutMs: 100 } as const;
const done: Answer = { ok: true, value: 1 };

const codeOf = async (answer: Promise<Answer>): Promise<string> => {
  const given = await answer;
  return given.ok ? "ok" : given.code;
};

test("a call that nobody answers ends at its own deadline, whatever the order they were made in", async () => {
  const clock = new MemoryClock();
  const calls = new ControlCalls(clock, "boot");
  const late = calls.open({ ...call, timeoutMs: 300 });
  const early = calls.open({ ...call, timeoutMs: 100 });
  const between = calls.open({ ...call, timeoutMs: 200 });
  clock.advance(99);
  assert.equal(calls.size, 3);
  clock.advance(1);
  assert.equal(await codeOf(early.answer), "CALL_TIMEOUT");
  assert.equal(calls.size, 2);
  calls.end(between.callId, done);
  clock.advance(199);
  assert.equal(calls.size, 1);
  clock.advance(1);
  assert.equal(await codeOf(late.answer), "CALL_TIMEOUT");
  assert.equal(await codeOf(between.answer), "ok");
});

test("a place is used again and its earlier call is not mistaken for the new one", async () => {
  const calls = new ControlCalls(new MemoryClock(), "boot");
  const first = calls.open(call);
  assert.ok(calls.end(first.callId, done));
  const second = calls.open(call);
  assert.notEqual(second.callId, first.callId);
  assert.equal(calls.end(first.callId, done), false);
  assert.equal(calls.end("control/other boot:2:0", done), false);
  assert.equal(calls.size, 1);
  assert.ok(calls.end(second.callId, done));
  assert.equal(calls.end(second.callId, done), false);
});

test("deadlines of calls that were answered are forgotten, and no clock is kept waiting in the end", () => {
  const clock = new MemoryClock();
  const calls = new ControlCalls(clock, "boot");
  const kept = calls.open({ ...call, timeoutMs: 50_000 });
  for (let n = 0; n < 10_000; n++) calls.end(calls.open(call).callId, done);
  clock.advance(100);
  assert.equal(clock.nextWakeAt, kept.deadlineAt);
  calls.endAll();
  assert.equal(clock.nextWakeAt, undefined);
  assert.equal(calls.size, 0);
});
