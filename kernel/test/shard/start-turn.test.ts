/** The start turn on a busy machine: tried again, alone and before everything else, and given up by name. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { startDelayMs } from "../../src/bus/retry.ts";
import { decodeRecord } from "../../src/ledger/record.ts";
import { type Harness, openHarness } from "../harness/shard-harness.ts";

/** What the turns of the shard were given, and what came of them. */
function turnsOf({ memory }: Harness): unknown[] {
  return (memory.shards.get("test.counter/0") ?? []).flatMap(({ seq, bytes }) => {
    const record = decodeRecord("test.counter/0", seq, bytes);
    if (record.kind !== "turn") return [];
    const { input, outcome } = record;
    const from = input.from === "kernel" ? input.delivery.kind : input.from;
    return [[from, outcome === "ok" ? "ok" : outcome.failed]];
  });
}

async function wait(h: Harness, ms: number): Promise<void> {
  h.clock.advance(ms);
  await h.settle();
}

test("only what a busy machine can bring about is worth another start, three times", () => {
  const tries = (code: string): unknown[] => [1, 2, 3, 4].map((failed) => startDelayMs(code, failed));
  assert.deepEqual(tries("TURN_DEADLINE"), [100, 200, 400, undefined]);
  assert.deepEqual(tries("TURN_MEMORY"), [100, 200, 400, undefined]);
  assert.deepEqual(tries("TURN_HANDLER_THREW"), [undefined, undefined, undefined, undefined]);
});

test("a start turn that met its deadline is tried again; what came before waits behind it, and one record tells of it (C3)", async () => {
  const h = await openHarness({ deadlineAt: new Set([1, 2, 3]) });
  h.call(1, { key: "a" });
  const started = h.shard.start(null);
  await h.settle();
  h.call(2, { key: "a" });
  for (const ms of [100, 200]) {
    assert.equal(h.answers().size, 0);
    await wait(h, ms);
  }
  assert.deepEqual(turnsOf(h), []);
  await wait(h, 400);
  await started;
  assert.deepEqual(turnsOf(h), [
    ["start", "ok"],
    ["effect", "ok"],
    ["effect", "ok"],
  ]);
  assert.deepEqual([...h.answers().values()], [1, 2]);
  assert.equal(h.counters.get("turn.retried"), 3);
});

test("after the third try more it is given up by name, and recorded", async () => {
  const h = await openHarness({ deadlineAt: new Set([1, 2, 3, 4]) });
  const failed = assert.rejects(h.shard.start(null), {
    code: "CAPSULE_START_FAILED",
    message: "capsule test.counter/0 did not start: TURN_DEADLINE: the turn was stopped after 100 ms",
  });
  await h.settle();
  for (const ms of [100, 200, 400]) await wait(h, ms);
  await failed;
  assert.deepEqual(turnsOf(h), [["start", "TURN_DEADLINE"]]);
  assert.equal(h.clock.nextWakeAt, undefined);
});

test("a shard that is stopped while its start waits does not start after all", async () => {
  const h = await openHarness({ deadlineAt: new Set([1]) });
  const failed = assert.rejects(h.shard.start(null), { code: "CAPSULE_START_FAILED", message: /PAUSED/ });
  await h.settle();
  await h.shard.pause();
  await failed;
  await wait(h, 1_000);
  assert.deepEqual(turnsOf(h), []);
});
