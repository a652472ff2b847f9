import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Due, DueQueue } from "../../src/runtime/shard/due-queue.ts";

const dueArbitrary = fc.record(
  { at: fc.integer({ min: 0, max: 50 }), id: fc.string({ maxLength: 3 }) },
  { noNullPrototype: true },
);

const drain = (queue: DueQueue, now: number): Due[] => {
  const out: Due[] = [];
  for (let due = queue.pop(now); due !== undefined; due = queue.pop(now)) out.push(due);
  return out;
};

test("what is due comes out in (due, id) order, and nothing before its time", () => {
  fc.assert(
    fc.property(fc.array(dueArbitrary), fc.integer({ min: 0, max: 60 }), (dues, now) => {
      const queue = new DueQueue();
      for (const due of dues) queue.push(due);
      const sorted = dues
        .filter(({ at }) => at <= now)
        .sort((a, b) => a.at - b.at || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
      assert.deepEqual(drain(queue, now), sorted);
      assert.equal(queue.size, dues.length - sorted.length);
    }),
  );
});

test("pruning keeps what is live, in order", () => {
  fc.assert(
    fc.property(fc.array(dueArbitrary), (dues) => {
      const queue = new DueQueue();
      for (const due of dues) queue.push(due);
      queue.prune(({ at }) => at % 2 === 0);
      const left = drain(queue, 100).map(({ at }) => at);
      assert.deepEqual(
        left,
        dues
          .map(({ at }) => at)
          .filter((at) => at % 2 === 0)
          .sort((a, b) => a - b),
      );
    }),
  );
});
