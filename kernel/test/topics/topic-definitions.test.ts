import assert from "node:assert/strict";
import { test } from "node:test";
import { LedgerMemory, MemoryClock } from "@vnes/driver-memory";
import type { JsonObject } from "@vnes/schemas";
import { bootTestNode } from "../harness/node-harness.ts";
import { noted, noter, reader, TOPIC } from "../harness/topic-capsules.ts";

const closed = (properties: JsonObject): JsonObject => ({
  type: "object",
  additionalProperties: false,
  properties,
});

test("a topic keeps its version only for additions: another change of its definition refuses its owner, in every boot", async () => {
  const memory = new LedgerMemory();
  const clock = new MemoryClock();
  const boot = async (schema: JsonObject): Promise<string> => {
    const owner = noter(noted({ schemas: [schema] }));
    const { node } = await bootTestNode({ capsules: [owner, reader()], memory, clock });
    const { reason } = (await node.status()).capsules.find(({ id }) => id === "test.noter") ?? {};
    await node[Symbol.asyncDispose]();
    return reason ?? "";
  };
  const n = { type: "integer" };
  assert.equal(await boot(closed({ n })), "STARTED");
  assert.equal(await boot(closed({ n: { type: "string" } })), "TOPIC_SCHEMA_NOT_ADDITIVE");
  assert.equal(await boot(closed({ n, m: { type: "string" } })), "STARTED");
  // What was added may not go away again: events with it are kept.
  assert.equal(await boot(closed({ n })), "TOPIC_SCHEMA_NOT_ADDITIVE");
  assert.equal(await boot(closed({ n, m: { type: "string" } })), "STARTED");
});

test("the refusal names the topic, the place and the rule", async () => {
  const memory = new LedgerMemory();
  const first = await bootTestNode({ capsules: [noter(noted({ schemas: [closed({})] }))], memory });
  await first.node[Symbol.asyncDispose]();
  const lines: string[] = [];
  const log = {
    debug: () => {},
    info: () => {},
    warn: () => {},
    error: (_: object, message: string) => void lines.push(message),
  };
  const second = await bootTestNode({
    capsules: [noter(noted({ schemas: [{ ...closed({}), required: ["n"] }] }))],
    memory,
    parts: { log },
  });
  assert.match(
    lines.join("\n"),
    new RegExp(`${TOPIC} was defined before.*required-added at /schemas/0/required: kept events may lack n`),
  );
  await second.node[Symbol.asyncDispose]();
});
