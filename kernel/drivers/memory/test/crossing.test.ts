import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { copyAcross, jsonLengthOver } from "../src/crossing.ts";

const awkward = fc.anything({
  withNullPrototype: true,
  withSparseArray: true,
  withDate: true,
  withMap: true,
  key: fc.oneof(fc.string(), fc.constantFrom("__proto__", "toJSON", "constructor")),
});

test("a value crosses as it would through JSON, whatever it is", () => {
  fc.assert(
    fc.property(fc.record({ value: awkward }), (value) => {
      assert.deepEqual(copyAcross(value), JSON.parse(JSON.stringify(value)));
    }),
    { numRuns: 2_000 },
  );
});

test("what JSON does not have crosses as JSON makes it: -0, NaN, undefined, a date", () => {
  const value = { a: -0, b: Number.NaN, c: undefined, d: [undefined, () => 1], e: new Date(0) };
  const expected = { a: 0, b: null, d: [null, null], e: "1970-01-01T00:00:00.000Z" };
  assert.deepEqual(copyAcross<unknown>(value), expected);
});

test("what was copied shares nothing with the original", () => {
  const value = { list: [{ deep: 1 }] };
  const copy = copyAcross(value);
  const [first] = value.list;
  if (first !== undefined) first.deep = 2;
  assert.deepEqual(copy, { list: [{ deep: 1 }] });
});

test("a length over a limit is the length of the JSON text, and only then told", () => {
  fc.assert(
    fc.property(fc.array(fc.jsonValue()), fc.nat({ max: 400 }), (value, limit) => {
      const { length } = JSON.stringify(value);
      assert.equal(jsonLengthOver(value, limit), length > limit ? length : undefined);
    }),
    { numRuns: 2_000 },
  );
});
