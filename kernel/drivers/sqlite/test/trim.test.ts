import assert from "node:assert/strict";
import { test } from "node:test";
import { openDatabase } from "../src/database.ts";
import { prepareStatements, type Statements } from "../src/statements.ts";
import { nextRun } from "../src/trim.ts";

/** A shard of `count` rows of one record of `size` bytes, from 1 on. */
function shardOf(count: number, size: number): Statements {
  const statements = prepareStatements(openDatabase(":memory:"));
  statements.addShard.run("a/0");
  for (let seq = 1; seq <= count; seq++) {
    statements.insert.run(1, seq, new Uint8Array(32), 0, new Uint8Array(size));
  }
  return statements;
}

test("a piece of small records is as many as one commit may drop", () => {
  const statements = shardOf(600, 10);
  assert.deepEqual(nextRun(statements, 1, 1, 601), { before: 513, records: 512 });
  assert.deepEqual(nextRun(statements, 1, 513, 601), { before: 601, records: 88 });
  assert.equal(nextRun(statements, 1, 601, 601), undefined);
});

test("a piece of large records is what one megabyte holds, and one record when that alone is larger", () => {
  assert.deepEqual(nextRun(shardOf(20, 100_000), 1, 1, 21), { before: 11, records: 10 });
  assert.deepEqual(nextRun(shardOf(2, 2_000_000), 1, 1, 3), { before: 2, records: 1 });
});

test("a piece may begin and end within a run, and one with no row to drop still moves on", () => {
  const statements = shardOf(0, 0);
  const rows: readonly (readonly [last: number, records: number])[] = [
    [300, 300],
    [310, 10],
    [900, 590],
  ];
  for (const [last, records] of rows) {
    statements.insert.run(1, last, new Uint8Array(32 * records), 0, new Uint8Array(1_000));
  }
  assert.deepEqual(nextRun(statements, 1, 1, 200), { before: 200, records: 199 });
  assert.deepEqual(nextRun(statements, 1, 200, 901), { before: 712, records: 512 });
  assert.deepEqual(nextRun(statements, 1, 712, 901), { before: 901, records: 189 });
  assert.deepEqual(nextRun(shardOf(0, 0), 1, 1, 8), { before: 8, records: 7 });
});
