/** What a boot does with answers of the run before: each is told once, and what was told is not counted as late. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LedgerMemory, MemoryClock } from "@vnes/driver-memory";
import { capsule } from "@vnes/sdk";
import { schemas } from "../harness/node-capsules.ts";
import { bootTestNode, manifestOf, type TestCapsule, type TestNode } from "../harness/node-harness.ts";

const anything = { type: "object" };

/** Asks both, and keeps how each call ended. */
const asker: TestCapsule = {
  manifest: manifestOf("test.asker", {
    capabilities: { provides: ["test.asker"], requires: ["test.desk", "test.radio"] },
    state: { owns: ["end/"] },
  }),
  spec: schemas("test.asker.go", "test.asker.ends"),
  bundle: () =>
    capsule({
      calls: {
        "test.asker.go": (turn, input) => {
          const { capability } = input as { capability: string };
          turn.call({
            capability,
            method: "do",
            input: {},
            tag: "end",
            context: capability,
            timeoutMs: 1_000,
          });
          return null;
        },
        "test.asker.ends": (turn) => Object.fromEntries(turn.keys.entries("end/")),
      },
      answers: {
        end: (turn, answer, capability) =>
          turn.keys.set(`end/${capability as string}`, answer.ok ? "ok" : answer.code),
      },
    }),
};

/** Every call leaves a record. */
const desk: TestCapsule = {
  manifest: manifestOf("test.desk", { capabilities: { provides: ["test.desk"] }, state: { owns: ["n"] } }),
  spec: schemas("test.desk.do"),
  bundle: () =>
    capsule({
      calls: {
        "test.desk.do": (turn) => {
          turn.keys.set("n", turn.at);
          return null;
        },
      },
    }),
};

const radio: TestCapsule = {
  manifest: manifestOf("test.radio", {
    type: "driver",
    capabilities: { provides: ["test.radio"], determinism_tier: "NX_experimental" },
  }),
  spec: { "spec/schema.json": { $defs: { "test.radio.do.input": { ...anything, x_effect: "idempotent" } } } },
};

class Lives {
  readonly #memory = new LedgerMemory();
  readonly #clock = new MemoryClock();
  asked = 0;

  /** Whoever ran before is dead or has ended. The driver never answers. */
  async boot(downMs = 10): Promise<TestNode> {
    this.#memory.holder?.crash();
    this.#clock.advance(downMs);
    const call = (): Promise<never> => {
      this.asked++;
      return new Promise(() => {});
    };
    const drivers = { "test.radio": () => ({ call }) };
    const [memory, clock] = [this.#memory, this.#clock];
    return await bootTestNode({ capsules: [asker, desk, radio], memory, clock, drivers });
  }
}

async function told({ node, ask }: TestNode): Promise<unknown> {
  return [await ask("test.asker", "ends", {}), (await node.status()).counters["answer.late"]];
}

for (const whose of ["a capsule", "a person"]) {
  for (const end of ["ended in order", "was killed"]) {
    test(`after a run that ${end} an answer to ${whose}, who has it, is not told again (RE2)`, async () => {
      const lives = new Lives();
      const before = await lives.boot();
      // The last word of the desk: no record of it says that it was told.
      if (whose === "a person") await before.ask("test.desk", "do", {});
      else await before.ask("test.asker", "go", { capability: "test.desk" });
      if (end === "ended in order") await before.node[Symbol.asyncDispose]();
      const after = await lives.boot();
      await after.settle();
      const value = whose === "a person" ? {} : { "end/test.desk": "ok" };
      assert.deepEqual(await told(after), [{ ok: true, value }, undefined]);
      await after.node[Symbol.asyncDispose]();
    });
  }
}

test("a call to a driver whose deadline passed while the node was down ends by it, and is not asked again", async () => {
  const lives = new Lives();
  const before = await lives.boot();
  await before.ask("test.asker", "go", { capability: "test.radio" });
  const after = await lives.boot(2_000);
  after.clock.advance(1);
  await after.settle();
  const value = { "end/test.radio": "CALL_TIMEOUT" };
  assert.deepEqual(await told(after), [{ ok: true, value }, undefined]);
  assert.equal(lives.asked, 1);
  await after.node[Symbol.asyncDispose]();
});
