import assert from "node:assert/strict";
import { test } from "node:test";
import { type Bundle, MemorySandbox } from "@vnes/driver-memory";
import type { SandboxSpec } from "@vnes/kernel";
import { isVnesError, type TurnRequest, type TurnResult } from "@vnes/schemas";

const spec = (instance: string): SandboxSpec => ({
  instance,
  image: { hash: "sha256:00", files: [] },
  language: "javascript",
  entry: "impl/main.js",
  zone: "system",
  group: "system",
  limits: { memoryMb: 1, turnMs: 1, cacheBytes: 1, effectBytes: 1_000_000 },
});

const request = (turn: number, key = "k"): TurnRequest => ({
  turn,
  at: 0,
  seed: "0000000000000000",
  delivery: { kind: "timer", id: key, dueAt: 0, payload: null },
});

/** Wants the key `absent` before it runs a timer of that name; writes how many turns it has run. */
function counter(): Bundle {
  let turns = 0;
  return {
    deliver({ turn, delivery, keys }): TurnResult {
      if (delivery.kind !== "timer") return { turn, kind: "failed", code: "TURN_NO", message: "no" };
      if (delivery.id === "broken") return { turn, kind: "failed", code: "TURN_NO", message: "no" };
      if (delivery.id === "absent" && keys === undefined)
        return { turn, kind: "needKeys", keys: ["absent"], ranges: [] };
      turns++;
      return { turn, kind: "done", effects: [{ do: "write", key: delivery.id, value: turns }] };
    },
    reset() {
      turns = 0;
    },
  };
}

test("requests are answered in order (1), a failed turn is followed by the next (3), reset drops the cache (4)", async () => {
  await using sandbox = new MemorySandbox({ "test.counter": counter });
  const instance = await sandbox.open(spec("test.counter/0"));
  const [first, second] = await Promise.all([
    instance.deliver([request(1), request(2, "broken"), request(3)]),
    instance.deliver([request(4)]),
  ]);
  assert.deepEqual(
    [...first, ...second].map(({ turn, kind }) => [turn, kind]),
    [
      [1, "done"],
      [2, "failed"],
      [3, "done"],
      [4, "done"],
    ],
  );
  await instance.reset();
  assert.deepEqual(await instance.deliver([request(5)]), [
    { turn: 5, kind: "done", effects: [{ do: "write", key: "k", value: 1 }] },
  ]);
  const meters = await instance.meters();
  assert.deepEqual([meters.turns, meters.failedTurns], [5, 1]);
});

test("behind a needKeys nothing runs, in the batch and in batches already sent, until it is delivered again (2)", async () => {
  await using sandbox = new MemorySandbox({ "test.counter": counter });
  const instance = await sandbox.open(spec("test.counter/0"));
  const [first, second] = await Promise.all([
    instance.deliver([request(1), request(2, "absent"), request(3)]),
    instance.deliver([request(4)]),
  ]);
  const nothing = { kind: "needKeys", keys: [], ranges: [] };
  assert.deepEqual(first.slice(1), [
    { turn: 2, kind: "needKeys", keys: ["absent"], ranges: [] },
    { turn: 3, ...nothing },
  ]);
  assert.deepEqual(second, [{ turn: 4, ...nothing }]);
  const again = await instance.deliver([
    { ...request(2, "absent"), keys: [["absent"]] },
    request(3),
    request(4),
  ]);
  assert.deepEqual(
    again.map(({ kind }) => kind),
    ["done", "done", "done"],
  );
});

test("a host that dies takes its whole group along; another instance can be opened afterwards", async () => {
  await using sandbox = new MemorySandbox({ "test.counter": counter }, { hostDiesAt: new Set([2]) });
  const one = await sandbox.open(spec("test.counter/0"));
  const other = await sandbox.open(spec("test.counter/1"));
  const died = (error: unknown): boolean => isVnesError(error) && error.code === "SANDBOX_HOST_DIED";
  await assert.rejects(one.deliver([request(1), request(2), request(3)]), died);
  await assert.rejects(one.deliver([request(1)]), died);
  await assert.rejects(other.deliver([request(1)]), died);
  const again = await sandbox.open(spec("test.counter/0"));
  assert.equal((await again.deliver([request(1)]))[0]?.kind, "done");
});

test("nothing is shared with the kernel: what crosses is copied", async () => {
  const given: unknown[] = [];
  const effects = [{ do: "write" as const, key: "k", value: { n: 1 } }];
  await using sandbox = new MemorySandbox({
    "test.keeper": () => ({
      deliver: (asked) => {
        given.push(asked);
        return { turn: asked.turn, kind: "done", effects };
      },
      reset: () => undefined,
    }),
  });
  const instance = await sandbox.open(spec("test.keeper/0"));
  const asked = request(1);
  const [result] = await instance.deliver([asked]);
  assert.notEqual(given[0], asked);
  assert.ok(result?.kind === "done" && result.effects !== effects && result.effects[0] !== effects[0]);
});

test("a capsule without a bundle is refused by name", async () => {
  await using sandbox = new MemorySandbox({});
  await assert.rejects(sandbox.open(spec("test.none/0")), { code: "MEMORY_BUNDLE_MISSING" });
});
