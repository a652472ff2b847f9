import assert from "node:assert/strict";
import { test } from "node:test";
import { memorySigner } from "@vnes/driver-memory";
import { both } from "../harness/node-capsules.ts";
import { bootTestNode } from "../harness/node-harness.ts";

test("a node that finds no space while it boots refuses to boot with LEDGER_DISK_FULL", async () => {
  for (const append of [1, 4, 9]) {
    const diskFullAt = new Set(Array.from({ length: 1_000 }, (_, index) => append + index));
    await assert.rejects(bootTestNode({ capsules: both, faults: { diskFullAt } }), {
      code: "LEDGER_DISK_FULL",
    });
  }
});

test("on a full disk a running node says so at once, to callers and in its status, and still ends when asked", async () => {
  const full = new Set<number>();
  const { node, ask, clock, settle } = await bootTestNode({
    capsules: both,
    faults: { diskFullAt: full },
    parts: { signer: memorySigner() },
  });
  for (let append = 1; append < 10_000; append++) full.add(append);
  const waiting = node.call("test.intake", "add", { key: "a" }, 60_000);
  await settle();
  assert.equal((await node.status()).state, "degraded");
  assert.equal(((await ask("test.tally", "get", {})) as { code?: string }).code, "LEDGER_DISK_FULL");
  const ended = node[Symbol.asyncDispose]();
  await settle();
  clock.advance(5_000);
  await ended;
  assert.equal(((await waiting) as { code?: string }).code, "NODE_STOPPING");
  // A wake-up that is set again and again would keep the process.
  clock.advance(60_000);
  assert.equal(clock.nextWakeAt, undefined);
});

test("on a full disk every question that would wait is answered at once, what is durable is still told, and branches go on", async () => {
  const full = new Set<number>();
  const { node, clock, settle } = await bootTestNode({ capsules: both, faults: { diskFullAt: full } });
  await settle();
  for (let append = 1; append < 10_000; append++) full.add(append);
  const code = async (asked: Promise<unknown>): Promise<unknown> => {
    let ended: unknown = "waits";
    asked.then(
      () => (ended = "done"),
      (error: { code?: unknown }) => (ended = error.code),
    );
    await settle();
    return ended;
  };
  const { state } = node;
  const read = (capsule: string): Promise<unknown> => state.read({ capsule }, { prefix: "" });
  // The first that finds the disk full is a branch: nobody else has met it yet.
  assert.equal(await code(state.branches.create("test.tally/0", undefined, "b")), "LEDGER_DISK_FULL");
  assert.equal(await code(state.branches.list()), "done");
  void node.call("test.intake", "add", { key: "a" }, 60_000);
  // Before the turn, while it is being written, and after the store refused it.
  const early: Promise<unknown>[] = [];
  for (let tick = 0; tick < 200; tick++) {
    early.push(code(read("test.intake")));
    await Promise.resolve();
  }
  const ends = await Promise.all(early);
  assert.ok(!ends.includes("waits"));
  assert.equal(await code(read("test.intake")), "LEDGER_DISK_FULL");
  assert.equal(await code(read("test.tally")), "done");
  assert.equal(await code(node.suspend("test.tally")), "LEDGER_DISK_FULL");
  assert.equal(await code(node.topics.publish("test.noted.v1", "k", { key: "k" })), "LEDGER_DISK_FULL");
  assert.equal(await code(state.branches.create("test.tally/0", undefined, "b")), "LEDGER_DISK_FULL");
  full.clear();
  clock.advance(5_000);
  await settle();
  assert.equal(await code(read("test.intake")), "done");
  assert.equal(await code(state.branches.create("test.tally/0", undefined, "b")), "done");
  await node[Symbol.asyncDispose]();
});
