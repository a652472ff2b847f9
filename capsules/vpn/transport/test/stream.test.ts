import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createRemoteBuckets } from "../src/buckets.ts";
import { createMessageSplitter, prefixLength } from "../src/stream.ts";
import { concat, MAX_MESSAGE_BYTES } from "../src/wire.ts";

test("however a stream is cut, its messages come out whole and in order", () => {
  const messages = fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 20 });
  fc.assert(
    fc.property(messages, fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }), (sent, cuts) => {
      const stream = concat(...sent.map(prefixLength));
      const got: Uint8Array[] = [];
      const splitter = createMessageSplitter((message) => got.push(message) > 0);
      for (let at = 0, i = 0; at < stream.length; i++) {
        const length = cuts[i % cuts.length] ?? 1;
        assert.equal(splitter.push(stream.slice(at, at + length)), true);
        at += length;
      }
      assert.deepEqual(got, sent);
    }),
  );
});

test("a length of nothing or beyond the largest message ends the stream", () => {
  const nothing = () => true;
  assert.equal(createMessageSplitter(nothing).push(Uint8Array.of(0, 0)), false);
  const over = MAX_MESSAGE_BYTES + 1;
  assert.equal(createMessageSplitter(nothing).push(Uint8Array.of(over >> 8, over & 255)), false);
});

test("a million addresses cost the memory of none and each gets its tokens or shares a slot", () => {
  const buckets = createRemoteBuckets(1, 2, new Uint8Array(8).fill(7));
  assert.deepEqual(
    [1, 2, 3].map(() => buckets.take("10.0.0.1", 0)),
    [true, true, false],
  );
  for (let i = 0; i < 100_000; i++) buckets.take(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, 0);
  assert.equal(buckets.take("10.0.0.1", 500), false);
  assert.equal(buckets.take("10.0.0.1", 1500), true);
});
