/** Two capsules for ledgers that hold a bit of everything: writes, events on two partitions, calls, their answers. */
import { capsule } from "@vnes/sdk";
import { manifestOf, type TestCapsule } from "../../kernel/test/harness/node-harness.ts";

const TOPIC = "test.moved.v1";

export const asker: TestCapsule = {
  manifest: manifestOf("test.asker", {
    capabilities: { provides: ["test.asker"], requires: ["test.keeper"] },
    state: { owns: ["n/"] },
    bus: { publishes: [TOPIC] },
  }),
  spec: {
    "spec/schema.json": {
      $defs: { "test.asker.add.input": { type: "object" }, "test.asker.show.input": { type: "object" } },
    },
    [`spec/topics/${TOPIC}.json`]: {
      schema_version: "v1",
      topic: TOPIC,
      owner: "test.asker",
      description: "what was moved",
      schemas: [{ type: "object" }],
      partition: { count: 2 },
      quality: "exactly_once",
      retention: {},
      flow: { policy: "block", buffer: 64 },
    },
  },
  bundle: () =>
    capsule({
      calls: {
        "test.asker.add": (turn, input) => {
          const { key } = input as { readonly key: string };
          turn.keys.set(`n/${key}`, ((turn.keys.get(`n/${key}`) as number | undefined) ?? 0) + 1);
          turn.publish(TOPIC, key, { key });
          turn.call({
            capability: "test.keeper",
            method: "keep",
            input: { key },
            tag: "kept",
            timeoutMs: 60_000,
          });
          return null;
        },
        "test.asker.show": (turn) => turn.keys.entries("n/").map(([key, value]) => [key, value]),
      },
      answers: { kept: (turn, answer) => turn.keys.set("n/last", answer.ok) },
    }),
};

export const keeper: TestCapsule = {
  manifest: manifestOf("test.keeper", {
    capabilities: { provides: ["test.keeper"] },
    state: { owns: ["kept/"] },
    bus: { subscribes: [TOPIC] },
  }),
  spec: {
    "spec/schema.json": {
      $defs: { "test.keeper.keep.input": { type: "object" }, "test.keeper.show.input": { type: "object" } },
    },
  },
  bundle: () =>
    capsule({
      calls: {
        "test.keeper.keep": (turn, input) => {
          turn.keys.set(`kept/${(input as { readonly key: string }).key}`, turn.at);
          return null;
        },
        "test.keeper.show": (turn) => turn.keys.entries("kept/").map(([key, value]) => [key, value]),
      },
      events: { [TOPIC]: (turn, event) => turn.keys.set("kept/heard", event) },
    }),
};
