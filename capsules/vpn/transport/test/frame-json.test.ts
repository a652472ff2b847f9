import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { deviceBytes as bytes } from "../../../../kernel/drivers/device/src/powers/bytes.ts";
import { parseFrame } from "../src/frame-json.ts";

const parse = (text: string) => parseFrame(bytes, bytes.fromUtf8(text));
const deep = (levels: number) => `{"a":${"[".repeat(levels)}${"]".repeat(levels)}}`;

test("a frame is one JSON object, and comes out as it went in", () => {
  const plain = fc.object({
    values: [fc.string(), fc.boolean(), fc.constant(null), fc.integer()],
    maxDepth: 3,
  });
  fc.assert(
    fc.property(plain, (value) => {
      const text = JSON.stringify(value);
      if (text.includes("__proto__")) return;
      assert.deepEqual(parse(text), JSON.parse(text));
    }),
  );
});

test("what a later reader could stumble over is no frame", () => {
  const refused = [
    "",
    "null",
    "[]",
    "42",
    '{"a":1',
    '{"a":1}x',
    '{"a":-0}',
    '{"a":1e999}',
    '{"a":9007199254740993}',
    '{"a":{"__proto__":{"admin":true}}}',
    deep(16),
    `{"a":[${"1,".repeat(2000)}1]}`,
  ];
  for (const text of refused) assert.equal(parse(text), null, text.slice(0, 40));
  assert.equal(parseFrame(bytes, Uint8Array.of(0x7b, 0xff, 0x7d)), null, "not UTF-8");
  assert.notEqual(parse(deep(15)), null);
});

test("ten thousand brackets are refused, not recursed into", () => {
  assert.equal(parse(deep(8000)), null);
});
