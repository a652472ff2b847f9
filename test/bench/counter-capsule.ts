/** The smallest capsule that does what nearly all do: reads a key, writes it, answers. */
import { capsule } from "@vnes/sdk";
import { manifestOf, type TestCapsule } from "../../kernel/test/harness/node-harness.ts";

export const counter: TestCapsule = {
  manifest: manifestOf("test.counter", {
    capabilities: { provides: ["test.counter"] },
    state: { owns: ["n/"] },
  }),
  spec: {
    "spec/schema.json": {
      $defs: {
        "test.counter.add.input": {
          type: "object",
          required: ["key"],
          additionalProperties: false,
          properties: { key: { type: "string", maxLength: 64 } },
        },
      },
    },
  },
  bundle: () =>
    capsule({
      calls: {
        "test.counter.add": (turn, input) => {
          const key = `n/${(input as { key: string }).key}`;
          const count = ((turn.keys.get(key) as number | undefined) ?? 0) + 1;
          turn.keys.set(key, count);
          return count;
        },
      },
    }),
};
