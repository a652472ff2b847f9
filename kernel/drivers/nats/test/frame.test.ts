/** The bytes of a ledger message, and the index of where records are, against dumb models. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import {
  cutBody,
  decodeEntries,
  decodeFrame,
  encodeEntries,
  encodeFrame,
  type Entry,
  HEAD_BYTES,
} from "../src/frame.ts";
import { ShardIndex } from "../src/shard-index.ts";

const newRecord = fc
  .record({
    bytes: fc.uint8Array({ maxLength: 40 }),
    hash: fc.uint8Array({ minLength: 32, maxLength: 32 }),
    mark: fc.boolean(),
  })
  .map(({ mark, bytes, hash }) => (mark ? { bytes, hash, snapshot: true as const } : { bytes, hash }));
const place = { shard: fc.string({ unit: "binary", maxLength: 12 }), seq: fc.nat({ max: 2 ** 40 }) };
const entry: fc.Arbitrary<Entry> = fc.oneof(
  fc.record({
    kind: fc.constantFrom("append" as const, "carry" as const),
    ...place,
    records: fc.array(newRecord, { maxLength: 5 }),
  }),
  fc.record({ kind: fc.constant("trim" as const), ...place }),
);

function plain(entries: readonly Entry[] | undefined): unknown {
  return entries?.map((one) =>
    one.kind === "trim"
      ? { ...one }
      : {
          ...one,
          records: one.records.map(({ bytes, hash, ...mark }) => ({
            bytes: [...bytes],
            hash: [...hash],
            ...mark,
          })),
        },
  );
}

describe("a ledger message", () => {
  test("holds what was put in, also cut into parts and joined", () => {
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 6 }), fc.integer({ min: 1, max: 300 }), (entries, limit) => {
        const body = encodeEntries(entries);
        const parts = cutBody(body, limit);
        assert.ok(parts.every((part) => part.length <= limit));
        assert.deepEqual(plain(decodeEntries(Buffer.concat(parts))), plain(entries));
      }),
    );
  });

  test("with any one bit changed is refused, or names another version", () => {
    const head = { part: 1, parts: 3, boot: "0123456789abcdef", number: 77 };
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(), (body, position) => {
        const whole = encodeFrame({ ...head, body });
        assert.deepEqual(decodeFrame(whole), { ...head, body: Buffer.from(body) });
        const bit = position % (whole.length * 8);
        const changed = Uint8Array.from(whole);
        changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
        assert.equal(typeof decodeFrame(changed), "string");
      }),
    );
    assert.equal(typeof decodeFrame(new Uint8Array(HEAD_BYTES - 1)), "string");
  });

  test("cut short anywhere is no list of entries", () => {
    fc.assert(
      fc.property(fc.array(entry, { minLength: 1, maxLength: 3 }), fc.nat(), (entries, at) => {
        const body = encodeEntries(entries);
        const cut = body.subarray(0, at % body.length);
        const whole = decodeEntries(cut);
        // A cut between two entries leaves fewer of them; the checksum of the frame is what notices that.
        assert.ok(whole === undefined || whole.length < entries.length);
      }),
    );
  });
});

test("the index finds every kept record in the newest message that states it", () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant("append" as const), count: fc.integer({ min: 1, max: 4 }) }),
    fc.record({ do: fc.constant("trim" as const), back: fc.nat({ max: 6 }) }),
    fc.record({ do: fc.constant("carry" as const), runs: fc.integer({ min: 1, max: 3 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const index = new ShardIndex();
      const model = new Map<number, number>();
      let [first, head] = [1, 0];
      steps.forEach((one, at) => {
        if (one.do === "append") {
          index.append("s", head + 1, one.count, at);
          for (let seq = head + 1; seq <= head + one.count; seq++) model.set(seq, at);
          head += one.count;
        } else if (one.do === "trim") {
          const before = Math.max(head - one.back, 0);
          index.trim("s", before);
          if (before > first) first = before;
        } else if (head > 0) {
          const carried = index.runs("s", first, head - first + 1).slice(0, one.runs);
          const end = carried.at(-1)?.end ?? first;
          index.carry("s", first, end - first, at);
          for (let seq = first; seq < end; seq++) model.set(seq, at);
        }
      });
      assert.equal(index.head("s"), head);
      assert.equal(index.first("s"), head === 0 ? 0 : first);
      for (let seq = first; seq <= head; seq++)
        assert.deepEqual(
          index.runs("s", seq, 1).map(({ at }) => at),
          [model.get(seq)],
        );
    }),
  );
});
