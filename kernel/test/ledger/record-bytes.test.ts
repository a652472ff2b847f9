/** Records written straight into memory, against what JSON.stringify makes of them. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import type { Effect, Json } from "@vnes/schemas";
import fc from "fast-check";
import { chainHash } from "../../src/ledger/chain.ts";
import { putJson } from "../../src/ledger/json-bytes.ts";
import { chainRecord, encodeRecord, type TurnRecord } from "../../src/ledger/record.ts";
import { Repeated } from "../../src/ledger/repeated-bytes.ts";
import { putRecord } from "../../src/ledger/record-bytes.ts";
import type { Digest } from "../../src/ports/digest.ts";

const ROOM_BYTES = 16_384;

const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 12 }),
  fc.stringMatching(/^[a-z/:.0-9]{0,90}$/),
  fc.constantFrom("ä\u2028😀", "\ud800", "__proto__", '"', "\\", "\u007f", "~", " "),
);
const number = fc.oneof(
  fc.maxSafeInteger(),
  fc.nat(),
  fc.double({ noNaN: true }),
  fc.constantFrom(0, -0, 9, 10, 999_999_999, 1_000_000_000, 1e15, 99_999_999_900_000_000, 1e17, 1e21, -1),
);
const { value } = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    text,
    number,
    fc.boolean(),
    fc.constant(null),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(text, tie("value"), { maxKeys: 4 }),
  ),
}));
const failed = fc.record({ ok: fc.constant(false as const), code: text, message: text });
const answer = fc.oneof(fc.record({ ok: fc.constant(true as const), value }), failed);
const effect: fc.Arbitrary<Effect> = fc.oneof(
  fc.record({ do: fc.constant("write" as const), key: text, value }),
  fc.record({ do: fc.constant("write" as const), key: text, value, ttlMs: fc.nat() }),
  fc.record({ key: text, value, do: fc.constant("write" as const) }),
  fc.record({ do: fc.constant("answer" as const), callId: text, answer }),
  fc.record({ do: fc.constant("publish" as const), topic: text, key: text, event: value }),
);
const call = {
  kind: fc.constant("call" as const),
  callId: text,
  capability: text,
  method: text,
  input: value,
  caller: text,
  deadlineAt: number,
};
const from = fc.constantFrom("control" as const, "device" as const, "kernel" as const);
const turn = {
  v: fc.constant(1 as const),
  kind: fc.constant("turn" as const),
  seq: number,
  at: number,
  seed: text,
  input: fc.record({ from, depth: number, delivery: fc.record(call) }),
  outcome: fc.constant("ok" as const),
  effects: fc.array(effect, { maxLength: 4 }),
  released: number,
};
const record: fc.Arbitrary<TurnRecord> = fc.record(turn);

const decoder = new TextDecoder();
const encoder = new TextEncoder();

test("a turn for a call is written as JSON.stringify writes it, wherever it begins (W1, J1)", () => {
  fc.assert(
    fc.property(record, fc.nat({ max: 9 }), (one, at) => {
      const memory = new Uint8Array(ROOM_BYTES);
      // The second time what both say alike is copied, and it is not from where the first one stands.
      for (const start of [at, at + 1]) {
        const end = putRecord(memory, start, one);
        assert.deepEqual(memory.subarray(start, end), encoder.encode(JSON.stringify(one)));
      }
    }),
  );
});

test("a part with values that changed is written anew, whichever of them it was (J1)", () => {
  const value = fc.constantFrom<(string | number)[]>("a", "b", '"', "", 0, 1, -0, 1e21, 2 ** 53);
  fc.assert(
    fc.property(fc.array(fc.tuple(value, value), { maxLength: 20 }), (pairs) => {
      const part = new Repeated("[", ",", "]");
      const memory = new Uint8Array(64);
      for (const [index, pair] of pairs.entries()) {
        const end = part.put(memory, index, ...pair);
        assert.equal(decoder.decode(memory.subarray(index, end)), JSON.stringify(pair));
        assert.ok(part.put(new Uint8Array(4), 0, ...pair) > 4, "no room, and what is kept is kept");
      }
    }),
  );
});

test("what does not fit is not written, whatever is missing (J2)", () => {
  fc.assert(
    fc.property(record, fc.double({ min: 0, max: 1, noNaN: true }), (one, share) => {
      const expected = encoder.encode(JSON.stringify(one));
      const room = Math.floor(expected.length * share);
      const end = putRecord(new Uint8Array(room), 0, one);
      assert.equal(end, room === expected.length ? room : undefined);
    }),
  );
});

test("a record with a member more, less or in another place is left to JSON.stringify (W1)", () => {
  const inputs = (more: object): fc.Arbitrary<unknown> =>
    fc.record({
      ...turn,
      input: fc.record({ from, depth: number, delivery: fc.record({ ...call, ...more }) }),
    });
  const { callId: _id, ...withoutId } = call;
  const { v, ...withoutV } = turn;
  const others = fc.oneof(
    fc.record({ ...turn, more: fc.constant(1) }),
    fc.record({ ...withoutV, v }),
    inputs({ more: fc.constant(1) }),
    fc.record({ ...turn, input: fc.record({ from, depth: number, delivery: fc.record(withoutId) }) }),
  );
  fc.assert(
    fc.property(others as fc.Arbitrary<TurnRecord>, (one) => {
      assert.equal(putRecord(new Uint8Array(ROOM_BYTES), 0, one), undefined);
      assert.equal(decoder.decode(encodeRecord(one)), JSON.stringify(one).toWellFormed());
    }),
  );
});

test("what is no JSON is left to JSON.stringify (J2)", () => {
  const memory = new Uint8Array(ROOM_BYTES);
  const none = [undefined, { a: undefined }, { a: { b: (): number => 1 } }] as unknown as readonly Json[];
  for (const one of none) assert.ok(putJson(memory, 0, one) > memory.length);
  const date = new Date(0) as unknown as Json;
  assert.equal(decoder.decode(memory.subarray(0, putJson(memory, 0, date))), JSON.stringify(date));
});

test("a chained record has the bytes of an encoded one and the hash of its chain, whatever its size", () => {
  const digest: Digest = {
    sha256: (...chunks) => {
      const hash = createHash("sha256");
      for (const chunk of chunks) hash.update(chunk);
      return hash.digest();
    },
  };
  const padded = fc.tuple(record, fc.constantFrom(0, 0, 0, 30_000, 70_000)).map(([one, size]) => ({
    ...one,
    seed: one.seed + "x".repeat(size),
  }));
  let previous: Uint8Array = new Uint8Array(32).fill(7);
  fc.assert(
    fc.property(padded, (one) => {
      const { bytes, hash } = chainRecord(previous, one, digest);
      assert.deepEqual(bytes, encodeRecord(one));
      assert.deepEqual(hash, chainHash(previous, bytes, digest));
      previous = hash;
    }),
  );
});
