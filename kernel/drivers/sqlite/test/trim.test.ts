import assert from "node:assert/strict";
import { test } from "node:test";
import { openDatabase } from "../src/database.ts";
import { prepareStatements, type Statements } from "../src/statements.ts";
import { nextRun } from "../src/trim.ts";

/** A shard of `count` records of `size` bytes, from 1 on. */
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

test("records that are missing are not counted as dropped", () => {
  const statements = shardOf(10, 10);
  statements.dropRecords.run(1, 4);
  assert.deepEqual(nextRun(statements, 1, 1, 8), { before: 8, records: 4 });
  assert.equal(nextRun(shardOf(0, 0), 1, 1, 8), undefined);
});
