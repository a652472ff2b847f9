import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json } from "@vnes/schemas";
import fc from "fast-check";
import { roughSize } from "../../src/bus/json-size.ts";

/** Numbers count 8 each, however they are written; texts are taken as they are, without what JSON escapes in them. */
function plainSize(value: Json): number {
  if (typeof value === "string") return value.length + 2;
  if (typeof value !== "object" || value === null) return 8;
  const members = Object.entries(value).map(
    ([name, member]) => (Array.isArray(value) ? 1 : name.length + 4) + plainSize(member as Json),
  );
  return members.reduce((sum, size) => sum + size, 2);
}

test("the rough size is that of everything in the value", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      assert.equal(roughSize(value as Json, Number.POSITIVE_INFINITY), plainSize(value as Json));
    }),
  );
});

test("counting ends once it is over the most", () => {
  const long = Array.from({ length: 1_000 }, () => "x".repeat(10));
  assert.ok(roughSize(long, 100) > 100);
  assert.ok(roughSize(long, 100) < 200);
  assert.ok(roughSize({ long, more: long }, 100) < 200);
});
