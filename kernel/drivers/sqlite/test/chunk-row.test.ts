import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { crc32, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { packChunk, unpackChunk } from "../src/chunk-row.ts";

/** Some compress well, some not at all, some are too few to be compressed. */
const chunk = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.uint8Array({ minLength: 8_000, maxLength: 9_000, size: "max" }),
  fc.nat({ max: 2_000 }).map((n) => new TextEncoder().encode(`["key/${n}",{"n":${n}}],`.repeat(1 + n))),
);

test("whatever a chunk is comes out of its row, byte for byte (C1)", () => {
  fc.assert(
    fc.property(chunk, (bytes) => {
      const found = unpackChunk("a/0", "c", packChunk("a/0", "c", bytes));
      assert.ok(found !== undefined && Buffer.from(found).equals(bytes));
    }),
  );
});

test("a row with one flipped bit, of another shard, name or length is no chunk (C2)", () => {
  fc.assert(
    fc.property(chunk, fc.nat(), (bytes, place) => {
      const row = packChunk("a/0", "c", bytes);
      assert.ok(unpackChunk("b/0", "c", row) === undefined);
      assert.ok(unpackChunk("a/0", "d", row) === undefined);
      assert.ok(unpackChunk("a/0", "c", { ...row, plain: row.plain === 0 ? 9_000 : 0 }) === undefined);
      assert.ok(unpackChunk("a/0", "c", { ...row, bytes: "a text" }) === undefined);
      if (row.bytes.length === 0) return;
      const flipped = Uint8Array.from(row.bytes);
      const at = place % (8 * flipped.length);
      flipped[at >> 3] = (flipped[at >> 3] as number) ^ (1 << (at & 7));
      assert.ok(unpackChunk("a/0", "c", { ...row, bytes: flipped }) === undefined);
    }),
  );
});

test("what comes out is as long as the row says, also where a right sum stands beside a wrong length", () => {
  const bytes = zstdCompressSync(new Uint8Array(100_000));
  for (const plain of [99_999, 100_001, 2 ** 40]) {
    const crc = crc32(bytes, crc32(`a/0\0c\0${plain}\0`));
    assert.ok(unpackChunk("a/0", "c", { plain, crc, bytes }) === undefined, `${plain}`);
  }
});

test("entries that repeat each other take a tenth of their size, random bytes stand as they are", () => {
  const entries = Array.from({ length: 500 }, (_, n) => [
    `ses/${n}`,
    { epoch: n, path: "wifi", state: "attached" },
  ]);
  const alike = Buffer.from(JSON.stringify(entries));
  const row = packChunk("a/0", "c", alike);
  assert.ok(row.plain === alike.length && row.bytes.length < alike.length / 8);
  const random = randomBytes(60_000);
  assert.deepEqual(packChunk("a/0", "c", random).bytes, random);
});
