import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import type { NewRecord } from "@vnes/kernel";
import fc from "fast-check";
import { packRow, unpackRow } from "../src/record-row.ts";
import { openedIn } from "./opened.ts";

function of(bytes: Uint8Array): NewRecord {
  return { bytes, hash: createHash("sha256").update(bytes).digest() };
}

function plain(records: readonly NewRecord[] | undefined): unknown {
  return records?.map(({ bytes, hash }) => [
    Buffer.from(bytes).toString("hex"),
    Buffer.from(hash).toString("hex"),
  ]);
}

/** Some compress well, some not at all, some are too few to be compressed. */
const records = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 3_000, size: "max" }),
      fc.nat({ max: 200 }).map((n) => new TextEncoder().encode(`{"kind":"turn","n":${n}}`.repeat(40))),
    ),
    { minLength: 1, maxLength: 20, size: "max" },
  )
  .map((all) => all.map(of));

test("whatever records a row is made of come out of it, byte for byte (R1, R2)", () => {
  fc.assert(
    fc.property(records, fc.integer({ min: 20, max: 1e12 }), (given, last) => {
      assert.deepEqual(plain(unpackRow("a/0", last, packRow("a/0", last, given))), plain(given));
    }),
  );
});

test("a row with one flipped bit, of another shard or at another seq is no row (R3)", () => {
  fc.assert(
    fc.property(records, fc.nat(), (given, place) => {
      const row = packRow("a/0", 50, given);
      assert.equal(unpackRow("a/0", 51, row), undefined);
      assert.equal(unpackRow("b/0", 50, row), undefined);
      for (const column of ["hash", "bytes"] as const) {
        const flipped = Uint8Array.from(row[column]);
        if (flipped.length === 0) continue;
        const at = place % (8 * flipped.length);
        flipped[at >> 3] = (flipped[at >> 3] as number) ^ (1 << (at & 7));
        assert.equal(unpackRow("a/0", 50, { ...row, [column]: flipped }), undefined);
      }
    }),
  );
});

test("records that repeat each other take a tenth of their size, and random ones no more than they have", () => {
  const alike = Array.from({ length: 64 }, (_, n) =>
    of(Buffer.from(`{"kind":"turn","seq":${n}}`.repeat(15))),
  );
  const size = alike.reduce((sum, { bytes }) => sum + bytes.length, 0);
  assert.ok(packRow("a/0", 64, alike).bytes.length < size / 10);
  const random = fc
    .sample(fc.uint8Array({ minLength: 400, maxLength: 400 }), { numRuns: 64, seed: 1 })
    .map(of);
  assert.ok(packRow("a/0", 64, random).bytes.length <= 64 * (400 + 4) + 1);
});

test("any window of a shard whose rounds were of any size reads as it was appended", async () => {
  const { store, reopen, cleanup } = await openedIn();
  const texts: string[] = [];
  for (const round of [1, 3, 300, 40, 1, 1, 700, 2]) {
    const appends = Array.from({ length: round }, () => {
      const text = `{"kind":"turn","seq":${texts.length + 1}} `.repeat(5);
      return store.append("a/0", texts.push(text) - 1, [of(Buffer.from(text))]);
    });
    await Promise.all(appends);
  }
  const again = await reopen();
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 1_100 }),
      fc.integer({ min: 1, max: 600 }),
      async (from, limit) => {
        const read = await again.read("a/0", from, limit);
        assert.deepEqual(
          read.map(({ bytes }) => Buffer.from(bytes).toString()),
          texts.slice(from - 1, from - 1 + limit),
        );
        assert.deepEqual(
          read.map(({ seq }) => seq),
          read.map((_, index) => from + index),
        );
      },
    ),
    { numRuns: 60 },
  );
  await cleanup();
});
