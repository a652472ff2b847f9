/** What a capsule asks for and runs without (B4): asked where it is there, answered with a code where it is not. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json } from "@vnes/schemas";
import { capsule, later } from "@vnes/sdk";
import { bootTestNode, manifestOf, policy, type TestCapsule, topicOf } from "../harness/node-harness.ts";

const TOPIC = "test.told.v1";
const methods = (...names: string[]): { readonly [path: string]: unknown } => ({
  "spec/schema.json": {
    $defs: Object.fromEntries(names.map((name) => [`${name}.input`, { type: "object" }])),
  },
});

/** Answers with how the call it made ended. */
const asker: TestCapsule = {
  manifest: manifestOf("test.asker", {
    capabilities: { provides: ["test.asker"], requires: ["test.oracle"], x_optional: ["test.oracle"] },
    bus: { publishes: [TOPIC], x_optional: [TOPIC] },
  }),
  spec: methods("test.asker.ask"),
  bundle: () =>
    capsule({
      calls: {
        "test.asker.ask": (turn, _input, { callId }) => {
          turn.publish(TOPIC, "k", { asked: true });
          turn.call({ capability: "test.oracle", method: "say", input: {}, tag: "said", context: callId });
          return later;
        },
      },
      answers: {
        said: (turn, answer, context) =>
          turn.answer(context as string, { ok: true, value: answer as unknown as Json }),
      },
    }),
};

const oracle: TestCapsule = {
  manifest: manifestOf("test.oracle", {
    capabilities: { provides: ["test.oracle"] },
    bus: { subscribes: [TOPIC] },
    state: { owns: ["heard"] },
  }),
  spec: {
    ...methods("test.oracle.say"),
    [`spec/topics/${TOPIC}.json`]: topicOf(TOPIC, "test.oracle", { quality: "exactly_once" }),
  },
  bundle: () =>
    capsule({
      calls: { "test.oracle.say": () => "yes" },
      events: { [TOPIC]: (turn) => turn.keys.set("heard", true) },
    }),
};

const valueOf = (answer: unknown): { readonly ok: boolean; readonly code?: string; readonly value?: Json } =>
  (answer as { value: { ok: boolean; code?: string; value?: Json } }).value;

test("where nothing provides it, its call ends with a code at once and its events are dropped and counted (B4)", async () => {
  const { node, ask } = await bootTestNode({ capsules: [asker] });
  const ended = valueOf(await ask("test.asker", "ask", {}));
  assert.deepEqual([ended.ok, ended.code], [false, "CALL_CAPABILITY_UNAVAILABLE"]);
  const { counters, capsules } = await node.status();
  assert.equal(counters["topic.gone"], 1);
  assert.equal(capsules[0]?.failedTurns, 0);
  await node[Symbol.asyncDispose]();
});

test("where it is there it is asked and heard, and unloading it is nobody's business but its own (B4)", async () => {
  const { node, ask, settle } = await bootTestNode({ capsules: [asker, oracle] });
  assert.deepEqual(valueOf(await ask("test.asker", "ask", {})), { ok: true, value: "yes" });
  await settle();
  assert.equal((await node.status()).counters["topic.gone"], undefined);
  await node.unload("test.oracle");
  assert.equal(valueOf(await ask("test.asker", "ask", {})).code, "CALL_CAPABILITY_UNAVAILABLE");
  await node[Symbol.asyncDispose]();
});

test("where it is there and the asker may not reach it, the asker starts, and its call ends as if it were not (B4)", async () => {
  const access = [{ name: "test.oracle", to: [] }];
  const { node, ask } = await bootTestNode({
    capsules: [asker, oracle],
    parts: { policy: { ...policy, access } },
  });
  const states = (await node.status()).capsules.map(({ id, state }) => [id, state]);
  assert.deepEqual(states, [
    ["test.asker", "active"],
    ["test.oracle", "active"],
  ]);
  const ended = valueOf(await ask("test.asker", "ask", {}));
  assert.deepEqual([ended.ok, ended.code], [false, "CALL_CAPABILITY_UNAVAILABLE"]);
  const { requires } = (await node.inspect("test.asker")) as { requires: Json };
  assert.deepEqual(requires, [{ requirement: "test.oracle", provider: null, state: null }]);
  await node[Symbol.asyncDispose]();
});

test("it is not activated because of those who would like it (B4)", async () => {
  const { node } = await bootTestNode({ capsules: [asker, oracle], parts: { run: ["test.asker"] } });
  const states = (await node.status()).capsules.map(({ id, state }) => [id, state]);
  assert.deepEqual(states, [
    ["test.asker", "active"],
    ["test.oracle", "verified"],
  ]);
  await node[Symbol.asyncDispose]();
});
