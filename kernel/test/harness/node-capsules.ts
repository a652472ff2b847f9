/** Capsules of the tests of whole nodes: one that takes calls and publishes, and one that counts both ways. */
import { capsule, later, refuse } from "@vnes/sdk";
import { manifestOf, type TestCapsule, topicOf } from "./node-harness.ts";

export const anything = { type: "object" };
/** A spec that takes any object for each of these methods. */
export const schemas = (...names: string[]): { readonly [path: string]: unknown } => ({
  "spec/schema.json": { $defs: Object.fromEntries(names.map((name) => [`${name}.input`, anything])) },
});

/** Counts what it is told, by call and by topic. */
export const tally: TestCapsule = {
  manifest: manifestOf("test.tally", {
    capabilities: { provides: ["test.tally"] },
    bus: { subscribes: ["test.noted.v1"] },
    state: { owns: ["n/", "e/"] },
  }),
  spec: schemas("test.tally.note", "test.tally.get"),
  bundle: () =>
    capsule({
      calls: {
        "test.tally.note": (turn, input) => {
          const key = `n/${(input as { key: string }).key}`;
          const count = ((turn.keys.get(key) as number | undefined) ?? 0) + 1;
          turn.keys.set(key, count);
          return count;
        },
        "test.tally.get": (turn) =>
          Object.fromEntries([...turn.keys.entries("n/"), ...turn.keys.entries("e/")]),
      },
      events: {
        "test.noted.v1": (turn, event) => {
          const key = `e/${(event as { key: string }).key}`;
          turn.keys.set(key, ((turn.keys.get(key) as number | undefined) ?? 0) + 1);
        },
      },
    }),
};

/** Takes a call, publishes, asks tally, and answers when tally has. */
export const intake: TestCapsule = {
  manifest: manifestOf("test.intake", {
    capabilities: { provides: ["test.intake"], requires: ["test.tally"] },
    bus: { publishes: ["test.noted.v1"] },
    state: { owns: ["seen/"] },
  }),
  spec: {
    ...schemas("test.intake.add", "test.intake.bad"),
    "spec/topics/test.noted.v1.json": topicOf("test.noted.v1", "test.intake", {
      quality: "exactly_once",
      schemas: [{ type: "object", required: ["key"], properties: { key: { type: "string" } } }],
    }),
  },
  bundle: () =>
    capsule({
      // Each boot publishes something new: it must not overtake what the last crash left unpublished.
      start: (turn) => turn.publish("test.noted.v1", "boot", { key: "boot" }),
      calls: {
        "test.intake.add": (turn, input, { callId }) => {
          const { key } = input as { key: string };
          if (key === "no") return refuse("INTAKE_NO", "not that one", { key });
          turn.keys.set(`seen/${key}`, turn.at);
          turn.publish("test.noted.v1", key, { key });
          turn.call({
            capability: "test.tally",
            method: "note",
            input: { key },
            tag: "noted",
            context: callId,
          });
          return later;
        },
        "test.intake.bad": (turn) => {
          turn.publish("test.noted.v1", "k", { wrong: true });
          return null;
        },
      },
      answers: {
        noted: (turn, answer, context) => turn.answer(context as string, answer),
      },
    }),
};

export const both = [intake, tally];
