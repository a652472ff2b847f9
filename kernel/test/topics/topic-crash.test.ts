import assert from "node:assert/strict";
import { test } from "node:test";
import { LedgerMemory, MemoryClock, MemoryLedgerStore } from "@vnes/driver-memory";
import type { Json } from "@vnes/schemas";
import { decodeRecord } from "../../src/ledger/record.ts";
import { bootTestNode } from "../harness/node-harness.ts";
import { batcher, letters, noter, reader, TOPIC } from "../harness/topic-capsules.ts";
import { bootTopics } from "../harness/topic-harness.ts";

const POISON = 4;
const poisonous = (n: number): void => {
  if (n === POISON) throw new Error("poison");
};
const capsules = [
  letters,
  noter(),
  reader(TOPIC, { onEvent: (_, { n }) => poisonous(n) }),
  batcher({ batch: { count: 3 } }, poisonous),
];

/** A boot that has crashed never ends: after as many rounds of the event loop as it could need, there is no node. */
async function rounds(count: number): Promise<undefined> {
  for (let round = 0; round < count; round++) await new Promise((resume) => setImmediate(resume));
}

test("a crash at any commit: every event is taken once by each, or has one letter of each (D1, D4)", async () => {
  for (let commit = 8; commit <= 44; commit++) {
    for (const kept of [true, false]) {
      const memory = new LedgerMemory();
      const clock = new MemoryClock();
      const ledger = new MemoryLedgerStore(memory, { crashAtCommit: { commit, kept } });
      const before = await Promise.race([bootTestNode({ capsules, clock, parts: { ledger } }), rounds(300)]);
      for (const from of [0, 3, 6]) {
        if (before === undefined) break;
        void before.node.call("test.noter", "notes", { count: 3, from }, 10_000);
        await before.settle();
      }
      memory.holder = undefined;
      const after = await bootTopics(capsules, { memory, clock });
      await after.settle();
      await after.settle();
      const stored = memory.shards.get(`topic/${TOPIC}/0`) ?? [];
      const events = stored.flatMap(({ seq, bytes }) => {
        const record = decodeRecord("", seq, bytes);
        return record.kind === "event" ? [(record.event as { n: number }).n] : [];
      });
      const title = `commit ${commit} kept ${kept}`;
      assert.deepEqual(new Set(events).size, events.length, title);
      const expected = events.filter((n) => n !== POISON);
      assert.deepEqual(await after.got(), expected, title);
      assert.deepEqual(((await after.got("test.batcher")) as Json[][]).flat(), expected, title);
      const told = (await after.letters()).map(
        ({ subscriber, seq }) => `${subscriber as string} ${seq as number}`,
      );
      const due = events.includes(POISON) ? events.indexOf(POISON) + 1 : undefined;
      const wanted = due === undefined ? [] : [`test.batcher ${due}`, `test.reader ${due}`];
      assert.deepEqual(told.sort(), wanted, title);
      await after.close();
    }
  }
});

test("batches and letters come again in a replay, with equal outputs", async () => {
  const node = await bootTopics(capsules);
  await node.notes(10);
  for (const id of ["test.reader", "test.batcher"]) {
    const { turns, difference, recordedHash, replayedHash } = await node.node.replay(id);
    assert.equal(difference, null, JSON.stringify(difference));
    assert.equal(recordedHash, replayedHash);
    assert.ok(turns > 4, `${id}: ${turns}`);
  }
  await node.close();
});
