import assert from "node:assert/strict";
import { test } from "node:test";
import { LedgerMemory, MemoryClock } from "@vnes/driver-memory";
import { capsule, later } from "@vnes/sdk";
import type { Json } from "@vnes/schemas";
import { both, schemas } from "../harness/node-capsules.ts";
import { bootTestNode, manifestOf, type TestCapsule } from "../harness/node-harness.ts";

test("capsules start in the order of their needs, and a call crosses two of them", async () => {
  const { node, ask } = await bootTestNode({ capsules: both });
  const { capsules, state } = await node.status();
  assert.deepEqual(
    capsules.map(({ id, state: s }) => [id, s]),
    [
      ["test.intake", "active"],
      ["test.tally", "active"],
    ],
  );
  assert.equal(state, "running");
  assert.deepEqual(await ask("test.intake", "add", { key: "a" }), { ok: true, value: 1 });
  assert.deepEqual(await ask("test.intake", "add", { key: "a" }), { ok: true, value: 2 });
  assert.deepEqual(await ask("test.tally", "get", {}), {
    ok: true,
    value: { "n/a": 2, "e/a": 2, "e/boot": 1 },
  });
  await node[Symbol.asyncDispose]();
});

test("a refusal arrives as coded data; an unknown capability, method or a bad event has its own code", async () => {
  const { node, ask } = await bootTestNode({ capsules: both });
  const code = async (...call: [string, string, Json]): Promise<unknown> =>
    ((await ask(...call)) as { code?: string }).code;
  assert.equal(await code("test.intake", "add", { key: "no" }), "INTAKE_NO");
  assert.equal(await code("test.nowhere", "add", {}), "CALL_CAPABILITY_UNAVAILABLE");
  assert.equal(await code("test.intake", "nope", {}), "CALL_METHOD_UNKNOWN");
  assert.match(
    JSON.stringify(await ask("test.intake", "nope", {})),
    /test\.intake has no method nope; it has [^"]*\badd\b/,
  );
  assert.equal(await code("test.intake", "add", 7), "CALL_INPUT_INVALID");
  assert.equal(await code("test.intake", "bad", {}), "TURN_EVENT_INVALID");
  await node[Symbol.asyncDispose]();
});

test("what was acknowledged is there after a restart, and every path counted it once", async () => {
  const memory = new LedgerMemory();
  const clock = new MemoryClock();
  for (let round = 1; round <= 3; round++) {
    const { node, ask } = await bootTestNode({ capsules: both, memory, clock });
    assert.deepEqual(await ask("test.intake", "add", { key: "a" }), { ok: true, value: round });
    const counted = await ask("test.tally", "get", {});
    assert.deepEqual(counted, { ok: true, value: { "n/a": round, "e/a": round, "e/boot": round } });
    await node[Symbol.asyncDispose]();
  }
});

/** A boot on memory drivers that is not done by then has crashed. */
async function rounds(count: number): Promise<undefined> {
  for (let round = 0; round < count; round++) await new Promise((resume) => setImmediate(resume));
}

test("a crash at any commit leaves both paths equal: at least what was acknowledged, each once", async () => {
  for (let commit = 8; commit <= 40; commit++) {
    for (const kept of [true, false]) {
      const memory = new LedgerMemory();
      const clock = new MemoryClock();
      const before = await Promise.race([
        bootTestNode({ capsules: both, memory, clock, faults: { crashAtCommit: { commit, kept } } }),
        rounds(300),
      ]);
      let acknowledged = 0;
      if (before !== undefined) {
        for (let n = 0; n < 6; n++) {
          void before.node.call("test.intake", "add", { key: "a" }, 10_000).then(({ ok }) => {
            if (ok) acknowledged++;
          });
          if (n % 2 === 1) await before.settle();
        }
        await before.settle();
      }
      memory.holder = undefined;
      const after = await bootTestNode({ capsules: both, memory, clock });
      await after.settle();
      const { value } = (await after.ask("test.tally", "get", {})) as { value: Record<string, number> };
      assert.equal(
        value["n/a"] ?? 0,
        value["e/a"] ?? 0,
        `commit ${commit} kept ${kept}: ${JSON.stringify(value)}`,
      );
      assert.ok((value["n/a"] ?? 0) >= acknowledged, `commit ${commit}: ${acknowledged} acknowledged`);
      assert.ok((value["n/a"] ?? 0) <= 6);
      await after.node[Symbol.asyncDispose]();
    }
  }
});

test("suspended, a capsule keeps what waits for it; resumed, it goes on; unloaded, its callers are told", async () => {
  const { node, ask, settle, clock } = await bootTestNode({ capsules: both });
  await node.suspend("test.tally");
  assert.equal(((await ask("test.tally", "get", {})) as { code?: string }).code, "CAPSULE_SUSPENDED");
  const waiting = node.call("test.intake", "add", { key: "a" }, 60_000);
  await settle();
  assert.equal((await node.status()).capsules.find(({ id }) => id === "test.tally")?.state, "suspended");
  await node.resume("test.tally");
  await settle();
  assert.deepEqual(await waiting, { ok: true, value: 1 });
  await assert.rejects(node.resume("test.tally"), { code: "LIFECYCLE_TRANSITION_ILLEGAL" });
  await assert.rejects(node.unload("test.tally"), (error: { code?: string; message: string }) => {
    assert.equal(error.code, "CAPSULE_IN_USE");
    assert.match(error.message, /test\.intake/);
    return true;
  });
  await node.unload("test.intake");
  await node.unload("test.tally");
  assert.equal(
    ((await ask("test.tally", "get", {})) as { code?: string }).code,
    "CALL_CAPABILITY_UNAVAILABLE",
  );
  assert.equal((await node.status()).state, "running");
  await assert.rejects(node.suspend("test.nobody"), { code: "CAPSULE_UNKNOWN" });
  clock.advance(100);
  await node[Symbol.asyncDispose]();
});

test("a chain of calls longer than sixteen is refused by name", async () => {
  const link = (n: number): TestCapsule => ({
    manifest: manifestOf(`test.c${n}`, {
      capabilities: { provides: [`test.c${n}`], requires: n === 20 ? [] : [`test.c${n + 1}`] },
    }),
    spec: schemas(`test.c${n}.go`),
    bundle: () =>
      capsule({
        calls: {
          [`test.c${n}.go`]: (turn, _input, { callId }) => {
            if (n === 20) return n;
            turn.call({
              capability: `test.c${n + 1}`,
              method: "go",
              input: {},
              tag: "back",
              context: callId,
            });
            return later;
          },
        },
        answers: { back: (turn, answer, context) => turn.answer(context as string, answer) },
      }),
  });
  const { node, ask, settle } = await bootTestNode({
    capsules: Array.from({ length: 20 }, (_, index) => link(index + 1)),
  });
  const short = await ask("test.c5", "go", {});
  assert.deepEqual(short, { ok: true, value: 20 });
  const long = node.call("test.c1", "go", {}, 10_000);
  for (let round = 0; round < 5; round++) await settle();
  assert.equal(((await long) as { code?: string }).code, "CALL_TOO_DEEP");
  await node[Symbol.asyncDispose]();
});
