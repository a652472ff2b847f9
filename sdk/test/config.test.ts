/** What a person wrote for a capsule: taken within its bounds, and otherwise refused with its place. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json } from "@vnes/schemas";
import { configReader } from "@vnes/sdk/config";

const read = configReader((pointer, problem) => new Error(`TEST_CONFIG_INVALID at ${pointer}: ${problem}`));

const refused = (run: () => unknown, text: string): void =>
  assert.throws(run, { message: `TEST_CONFIG_INVALID at ${text}` });

test("an object is one, and has no field that nobody knows", () => {
  assert.deepEqual(read.object({ a: 1 }, "", ["a", "b"]), { a: 1 });
  assert.deepEqual(read.object({ anything: 1 }, ""), { anything: 1 });
  for (const value of [null, [], "a", 1, true] as Json[])
    refused(() => read.object(value, ""), "/: expected an object");
  refused(() => read.object([], "/list/0", []), "/list/0: expected an object");
  refused(() => read.object({ a: 1, c: 2 }, "/x", ["a"]), "/x/c: unknown field");
});

test("a number has its default and both of its bounds; a whole one no fraction", () => {
  assert.deepEqual([read.number({}, "n", "", 5, 0, 9), read.whole({}, "n", "", 5, 0, 9)], [5, 5]);
  for (const n of [0, 9]) {
    assert.equal(read.whole({ n }, "n", "", 5, 0, 9), n);
    assert.equal(read.number({ n }, "n", "", 5, 0, 9), n);
  }
  assert.equal(read.number({ n: 0.5 }, "n", "", 5, 0, 9), 0.5);
  for (const n of [-1, 10, "5", [5]] as Json[]) {
    refused(() => read.number({ n }, "n", "/at", 5, 0, 9), "/at/n: expected a number from 0 to 9");
    refused(() => read.whole({ n }, "n", "", 5, 0, 9), "/n: expected a whole number from 0 to 9");
  }
  refused(() => read.whole({ n: 0.5 }, "n", "", 5, 0, 9), "/n: expected a whole number from 0 to 9");
});
