/** Keys against a dumb model: whatever is cached, forgotten or dropped in between, a capsule sees one plain map. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { capsule, type Json, type Turn } from "@vnes/sdk";
import { CapsuleHarness } from "@vnes/sdk/testing";

type Step =
  | readonly ["get" | "delete" | "version", string]
  | readonly ["entries", string]
  | readonly ["set", string, Json];

/** Few names, so that steps meet; some are prefixes of others. */
const key = fc.constantFrom("a", "a/", "a/1", "a/10", "a/2", "b/1", "b/2", "c");
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(fc.constantFrom("get" as const, "delete" as const, "version" as const), key),
  fc.tuple(fc.constant("entries" as const), fc.constantFrom("", "a", "a/", "b/", "z")),
  fc.tuple(
    fc.constant("set" as const),
    key,
    fc.oneof(fc.integer(), fc.string({ maxLength: 40 }), fc.constant(null)),
  ),
);
const turn = fc.record({ steps: fc.array(step, { maxLength: 6 }), fails: fc.boolean() });

function run(turn: Turn, steps: readonly Step[]): Json {
  return steps.map(([what, name, value]): Json => {
    switch (what) {
      case "get":
        return turn.keys.get(name) ?? "(none)";
      case "version":
        return turn.keys.version(name);
      case "entries":
        return turn.keys.entries(name) as unknown as Json;
      case "delete":
        turn.keys.delete(name);
        return null;
      case "set":
        turn.keys.set(name, value ?? null);
        return null;
    }
  });
}

class Model {
  values = new Map<string, Json>();
  #versions = new Map<string, number>();
  #turns = 0;

  run(steps: readonly Step[], fails: boolean): Json {
    const before = new Map(this.values);
    const written = new Set<string>();
    const seen = steps.map(([what, name, value]): Json => {
      if (what === "set" || what === "delete") written.add(name);
      if (what === "version") return this.#versions.get(name) ?? null;
      if (what === "get") return this.values.get(name) ?? "(none)";
      if (what === "set") this.values.set(name, value ?? null);
      if (what === "delete") this.values.delete(name);
      if (what !== "entries") return null;
      return [...this.values].filter(([one]) => one.startsWith(name)).sort(([a], [b]) => (a < b ? -1 : 1));
    });
    if (fails) this.values = before;
    else this.#turns += 1;
    for (const name of fails ? [] : written) {
      if (this.values.has(name)) this.#versions.set(name, this.#turns);
      else this.#versions.delete(name);
    }
    return seen;
  }
}

test("turns see and leave one plain map, with a cache, with none, and with one that overflows", () => {
  fc.assert(
    fc.property(
      fc.array(turn, { maxLength: 12 }),
      fc.constantFrom("cached", "forgetful", "overflowing"),
      (turns, how) => {
        const definition = capsule({
          calls: {
            "t.run": (one, input) => {
              const { steps, fails } = input as unknown as { steps: Step[]; fails: boolean };
              const seen = run(one, steps);
              if (fails) throw new Error("asked to");
              return seen;
            },
          },
        });
        if (how === "overflowing") definition.setCacheBytes(300);
        const harness = new CapsuleHarness(definition, { forgetful: how === "forgetful" });
        const model = new Model();
        for (const { steps, fails } of turns) {
          const { answer, result } = harness.call("t.run", { steps, fails } as unknown as Json);
          const seen = model.run(steps, fails);
          if (fails) assert.equal(result.kind, "failed");
          else assert.deepEqual(answer, { ok: true, value: seen });
          assert.deepEqual(harness.keys.values, model.values);
        }
      },
    ),
    { numRuns: 400 },
  );
});
