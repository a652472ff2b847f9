import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { nodeDigest } from "@vnes/registry";
import fc from "fast-check";

const chunk = fc.oneof(fc.uint8Array(), fc.uint8Array({ minLength: 9_000, maxLength: 20_000 }));

test("the digest of chunks is the digest of their concatenation, however long they are", () => {
  fc.assert(
    fc.property(fc.array(chunk, { maxLength: 4 }), (chunks) => {
      const expected = createHash("sha256").update(Buffer.concat(chunks)).digest("hex");
      assert.equal(Buffer.from(nodeDigest.sha256(...chunks)).toString("hex"), expected);
    }),
    { numRuns: 300 },
  );
});

test("a digest that is kept does not change when the next one is made", () => {
  const first = nodeDigest.sha256(Buffer.from("a"), Buffer.from("b"));
  const copy = Buffer.from(first);
  nodeDigest.sha256(Buffer.from("c"), Buffer.from("d"));
  assert.deepEqual(Buffer.from(first), copy);
});
