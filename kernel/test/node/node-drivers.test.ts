import assert from "node:assert/strict";
import { test } from "node:test";
import { LedgerMemory, MemoryClock } from "@vnes/driver-memory";
import { capsule, type Turn } from "@vnes/sdk";
import type { Json } from "@vnes/schemas";
import { anything, schemas } from "../harness/node-capsules.ts";
import { bootTestNode, manifestOf, type TestCapsule, topicOf } from "../harness/node-harness.ts";

/** A driver that answers, and one that reports. */
const radio: TestCapsule = {
  manifest: manifestOf("test.radio", {
    type: "driver",
    capabilities: { provides: ["test.radio"], determinism_tier: "NX_experimental" },
    security: { trust_zone: "system", resources: ["net.udp"] },
    bus: { publishes: ["test.heard.v1"] },
  }),
  spec: {
    "spec/schema.json": {
      $defs: {
        "test.radio.send.input": { ...anything, x_effect: "at_most_once" },
        "test.radio.tune.input": { ...anything, x_effect: "idempotent" },
      },
    },
    "spec/topics/test.heard.v1.json": topicOf("test.heard.v1", "test.radio", {
      quality: "at_most_once",
      flow: { policy: "shed", buffer: 100 },
    }),
  },
};

const operator: TestCapsule = {
  manifest: manifestOf("test.operator", {
    capabilities: { provides: ["test.operator"], requires: ["test.radio"] },
    bus: { subscribes: ["test.heard.v1"] },
    state: { owns: ["log/"] },
  }),
  spec: schemas("test.operator.go", "test.operator.log"),
  bundle: () =>
    capsule({
      calls: {
        "test.operator.go": (turn, input) => {
          const { method } = input as { method: string };
          turn.call({ capability: "test.radio", method, input: {}, tag: "done", timeoutMs: 600_000 });
          return null;
        },
        "test.operator.log": (turn) => turn.keys.entries("log/").map(([, value]) => value),
      },
      answers: { done: (turn, answer) => note(turn, answer.ok ? answer.value : answer.code) },
      events: { "test.heard.v1": note },
    }),
};

function note(turn: Turn, value: Json): void {
  turn.keys.set(`log/${turn.keys.entries("log/").length}`, value);
}

test("what a driver reports is recorded as the input of the turn that consumes it", async () => {
  let report: ((topic: string, key: string, event: Json) => void) | undefined;
  const { node, ask, settle } = await bootTestNode({
    capsules: [radio, operator],
    drivers: {
      "test.radio": (spec) => {
        report = (...args) => spec.onPublish(...args);
        return { call: () => ({ ok: true, value: "sent" }) };
      },
    },
  });
  report?.("test.heard.v1", "k", { heard: 1 });
  report?.("test.other.v1", "k", { heard: 1 });
  await settle();
  await ask("test.operator", "go", { method: "send" });
  assert.deepEqual(await ask("test.operator", "log", {}), { ok: true, value: [{ heard: 1 }, "sent"] });
  assert.equal((await node.status()).counters["device.publishRefused"], 1);
  await node[Symbol.asyncDispose]();
});

test("after a crash a call to a driver is repeated if idempotent, and ended with a code if at most once", async () => {
  for (const [method, expected, calls] of [
    ["send", "CALL_DROPPED_ON_RECOVERY", 0],
    ["tune", "tuned", 1],
  ] as const) {
    const memory = new LedgerMemory();
    const clock = new MemoryClock();
    const silent = { "test.radio": () => ({ call: () => new Promise<never>(() => {}) }) };
    const before = await bootTestNode({ capsules: [radio, operator], memory, clock, drivers: silent });
    await before.ask("test.operator", "go", { method });
    memory.holder = undefined;
    let called = 0;
    const after = await bootTestNode({
      capsules: [radio, operator],
      memory,
      clock,
      drivers: {
        "test.radio": () => ({
          call: () => {
            called++;
            return { ok: true, value: "tuned" };
          },
        }),
      },
    });
    await after.settle();
    assert.deepEqual(await after.ask("test.operator", "log", {}), { ok: true, value: [expected] });
    assert.equal(called, calls);
    await after.node[Symbol.asyncDispose]();
  }
});
