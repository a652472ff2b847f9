import assert from "node:assert/strict";
import { test } from "node:test";
import { LedgerMemory, MemoryClock, MemoryLedgerStore } from "@vnes/driver-memory";
import { capsule } from "@vnes/sdk";
import type { TestCapsule } from "../harness/node-harness.ts";
import { bootTestNode, manifestOf } from "../harness/node-harness.ts";
import { noted, numbers, reader, TOPIC } from "../harness/topic-capsules.ts";
import { bootTopics } from "../harness/topic-harness.ts";

/** Publishes `{n}` and keeps `n`, so that the turn has a record. */
const noter: TestCapsule = {
  manifest: manifestOf("test.noter", {
    capabilities: { provides: ["test.noter"] },
    bus: { publishes: [TOPIC] },
    state: { owns: ["last"] },
  }),
  spec: {
    "spec/schema.json": { $defs: { "test.noter.note.input": { type: "object" } } },
    [`spec/topics/${TOPIC}.json`]: noted({ quality: "at_most_once", flow: { policy: "shed", buffer: 50 } }),
  },
  bundle: () =>
    capsule({
      calls: {
        "test.noter.note": (turn, input) => {
          const { n } = input as { readonly n: number };
          turn.keys.set("last", n);
          turn.publish(TOPIC, "k", { n });
          return null;
        },
      },
    }),
};
const capsules = [noter, reader()];

test("an event of an unkept topic is not published again by the next boot, however the node ended (RE4)", async () => {
  const memory = new LedgerMemory();
  const first = await bootTopics(capsules, { memory });
  await first.ask("test.noter", "note", { n: 0 });
  await first.settle();
  assert.deepEqual(await first.got(), [0]);
  await first.close();
  const second = await bootTopics(capsules, { memory });
  await second.settle();
  assert.deepEqual(await second.got(), [0]);
  assert.equal((await second.node.status()).counters["ephemeral.inDoubt"], 1);
  await second.close();
});

test("a crash at any commit: an event of an unkept topic is taken once or never, and in order (RE4)", async () => {
  let lost = 0;
  for (let commit = 6; commit <= 24; commit++) {
    for (const kept of [true, false]) {
      const memory = new LedgerMemory();
      const clock = new MemoryClock();
      const ledger = new MemoryLedgerStore(memory, { crashAtCommit: { commit, kept } });
      const boot = bootTestNode({ capsules, clock, parts: { ledger } });
      const before = await Promise.race([boot, rounds(300)]);
      for (const n of numbers(0, 5)) {
        void before?.node.call("test.noter", "note", { n }, 10_000);
        await before?.settle();
      }
      memory.holder = undefined;
      const after = await bootTopics(capsules, { memory, clock });
      await after.settle();
      const got = (await after.got()) as readonly number[];
      assert.deepEqual(
        got,
        [...new Set(got)].sort((a, b) => a - b),
        `commit ${commit} kept ${kept}`,
      );
      if (got.length < 5) lost++;
      await after.close();
    }
  }
  assert.ok(lost > 0, "no crash came between the events");
});

/** A boot that has crashed never ends. */
async function rounds(count: number): Promise<undefined> {
  for (let round = 0; round < count; round++) await new Promise((resume) => setImmediate(resume));
}
