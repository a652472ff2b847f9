import assert from "node:assert/strict";
import { test } from "node:test";
import { inStretches, type Steps } from "../src/steps.ts";

function* busy(steps: number, end: () => string): Steps<string> {
  for (let step = 0; step < steps; step++) {
    for (const from = performance.now(); performance.now() - from < 2; );
    yield;
  }
  return end();
}

test("long work lets everything else go first between its stretches, and each is told", async () => {
  let others = 0;
  let isOver = false;
  const other = (): void => {
    others += 1;
    if (!isOver) setImmediate(other);
  };
  setImmediate(other);
  const took: number[] = [];
  assert.equal(
    await inStretches(
      busy(5, () => "done"),
      (ms) => took.push(ms),
    ),
    "done",
  );
  isOver = true;
  assert.ok(others >= 5, `${others} others`);
  assert.equal(took.length, 6);
  assert.ok(took.slice(0, 5).every((ms) => ms >= 2));
});

test("what a step throws is rejected with", async () => {
  const work = inStretches(
    busy(1, () => {
      throw new Error("no");
    }),
    () => undefined,
  );
  await assert.rejects(work, /no/);
});
