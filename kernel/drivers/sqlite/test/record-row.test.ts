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

test("whoever reads on from page to page gets every record once, with other readers, appends and trims in between", async () => {
  const { store, cleanup } = await openedIn();
  const texts = new Map<string, string[]>([
    ["a/0", []],
    ["b/0", []],
  ]);
  const append = async (shard: string, count: number): Promise<void> => {
    const known = texts.get(shard) ?? [];
    const appends = Array.from({ length: count }, () => {
      const text = `{"shard":"${shard}","seq":${known.length + 1}} `.repeat(20);
      return store.append(shard, known.push(text) - 1, [
        { ...of(Buffer.from(text)), ...(known.length % 90 === 0 ? { snapshot: true } : {}) },
      ]);
    });
    await Promise.all(appends);
  };
  const next = new Map([...texts.keys()].map((shard) => [shard, 1]));
  const shards = fc.constantFrom(...texts.keys());
  const steps = fc.array(
    fc.oneof(
      fc.record({ do: fc.constant("append" as const), shard: shards, count: fc.nat({ max: 150 }) }),
      fc.record({
        do: fc.constant("read" as const),
        shard: shards,
        count: fc.integer({ min: 1, max: 100 }),
        again: fc.boolean(),
      }),
      fc.record({ do: fc.constant("trim" as const), shard: shards, count: fc.nat({ max: 30 }) }),
    ),
    { minLength: 20, maxLength: 60 },
  );
  await fc.assert(
    fc.asyncProperty(steps, async (all) => {
      for (const step of all) {
        const { shard, count } = step;
        const known = texts.get(shard) ?? [];
        const first = await store.firstSeq(shard);
        if (step.do === "append") await append(shard, count);
        else if (step.do === "trim") {
          const before = Math.min(first + count, await store.lastSnapshot(shard));
          if (before > first) await store.trim(shard, before, new Set());
        } else {
          if (step.again) next.set(shard, 1);
          const from = Math.max(next.get(shard) ?? 1, first, 1);
          const page = await store.read(shard, from, count);
          assert.deepEqual(
            page.map(({ seq, bytes }) => [seq, Buffer.from(bytes).toString()]),
            known.slice(from - 1, from - 1 + count).map((text, index) => [from + index, text]),
          );
          next.set(shard, from + page.length);
        }
      }
    }),
    { numRuns: 15 },
  );
  await cleanup();
});
