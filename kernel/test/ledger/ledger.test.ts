import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import type { BatchEvent, Delivery, Effect } from "@vnes/schemas";
import fc from "fast-check";
import { assertChain, chainHash, genesisHash } from "../../src/ledger/chain.ts";
import { formatEffectId, isAtOrBelow, parseEffectId } from "../../src/ledger/effect-id.ts";
import { textBytes } from "../../src/ledger/text-bytes.ts";
import { deliveryOf, seqsOf } from "../../src/replay/delivery.ts";
import {
  decodeRecord,
  encodeRecord,
  type EventRecord,
  type PositionRecord,
  type TopicInput,
  type TurnRecord,
} from "../../src/ledger/record.ts";
import { applyRecord, emptyShard, releasedSeq, type ShardState } from "../../src/ledger/shard-state.ts";
import type { Digest } from "../../src/ports/digest.ts";

const digest: Digest = {
  sha256: (...chunks) => {
    const hash = createHash("sha256");
    for (const chunk of chunks) hash.update(chunk);
    return hash.digest();
  },
};

const turn = (seq: number, effects: readonly Effect[], more: Partial<TurnRecord> = {}): TurnRecord => ({
  v: 1,
  kind: "turn",
  seq,
  at: 1_000 + seq,
  seed: "0000000000000000",
  input: { from: "kernel", depth: 0, delivery: { kind: "start", config: null, resumed: false } },
  outcome: "ok",
  effects,
  released: 0,
  ...more,
});

const snapshot = (state: ShardState): unknown => ({
  ...state,
  keys: [...state.keys],
  timers: [...state.timers],
  pending: [...state.pending],
  open: [...state.open],
  watermarks: [...state.watermarks],
  positions: [...state.positions],
  outbox: [...state.outbox],
});

test("an effect id survives being written down, and nothing else parses", () => {
  fc.assert(
    fc.property(fc.nat(), fc.nat({ max: 999_999_999 }), (seq, index) => {
      const id = { shard: "vnes.vpn.session/0", seq, index };
      assert.deepEqual(parseEffectId(formatEffectId(id)), id);
    }),
  );
  for (const text of ["", "a", "a:1", "a:b:1", ":1:1", "a:-1:0", "a:1:1:1"])
    assert.equal(parseEffectId(text), undefined);
});

test("a topic input and the events it names give the delivery of its turn", () => {
  const record = (seq: number): EventRecord => {
    const source = { shard: "a/0", seq, index: 0 };
    return { v: 1, kind: "event", seq, at: 1, source, key: `k${seq}`, event: { seq } };
  };
  const input = { from: "topic", shard: "topic/a.b.v1/3", seq: 9, hash: "" } as const;
  const give = (more: Partial<TopicInput>): Delivery => {
    const whole = { ...input, ...more };
    return deliveryOf(whole, seqsOf(whole).map(record));
  };
  const place = { topic: "a.b.v1", partition: 3 };
  const one = (seq: number): BatchEvent => ({ seq, key: `k${seq}`, event: { seq } });
  assert.deepEqual(give({ skipped: 3 }), { kind: "event", ...place, ...one(9) });
  assert.deepEqual(give({ batch: { first: 7 } }), { kind: "batch", ...place, events: [7, 8, 9].map(one) });
  const gaps = { first: 2, seqs: [2, 5, 9] };
  assert.deepEqual(give({ batch: gaps }), { kind: "batch", ...place, events: [2, 5, 9].map(one) });
  assert.throws(() => deliveryOf(input, []), /no event/);
});

test("a position record moves one partition's position and nothing else; one without a place is refused", () => {
  const state = emptyShard("a/0");
  const partition = "topic/a.b.v1/3";
  const set: PositionRecord = {
    v: 1,
    kind: "position",
    seq: 1,
    at: 5,
    partition,
    position: 7,
    reason: "replay",
  };
  applyRecord(state, set);
  assert.deepEqual([...state.positions], [[partition, 7]]);
  assert.deepEqual(decodeRecord("a/0", 1, encodeRecord(set)), set);
  const broken = encodeRecord({ ...set, position: -1 });
  assert.throws(() => decodeRecord("a/0", 1, broken), { code: "LEDGER_RECORD_INVALID" });
});

test("a watermark covers exactly what is not later than it", () => {
  const place = fc.record({ seq: fc.nat({ max: 5 }), index: fc.nat({ max: 5 }) });
  fc.assert(
    fc.property(place, place, (a, b) => {
      assert.equal(isAtOrBelow(a, b), a.seq * 100 + a.index <= b.seq * 100 + b.index);
    }),
  );
});

test("any changed byte, hash, order or shard breaks the chain", () => {
  const records = [1, 2, 3].map((seq) => encodeRecord(turn(seq, [])));
  const hashes: Uint8Array[] = [];
  let hash = genesisHash("a/0", digest);
  for (const bytes of records) hashes.push((hash = chainHash(hash, bytes, digest)));
  const walk = (shard: string, bytes: readonly Uint8Array[], stored: readonly Uint8Array[]): void => {
    let previous = genesisHash(shard, digest);
    bytes.forEach((one, index) => {
      previous = assertChain(shard, index + 1, previous, one, stored[index] as Uint8Array, digest);
    });
  };
  walk("a/0", records, hashes);
  const broken = { code: "LEDGER_HASH_WRONG" };
  assert.throws(() => walk("b/0", records, hashes), broken);
  assert.throws(() => walk("a/0", [records[1], records[0], records[2]] as Uint8Array[], hashes), broken);
  fc.assert(
    fc.property(
      fc.nat({ max: 2 }),
      fc.nat({ max: 10_000 }),
      fc.integer({ min: 1, max: 255 }),
      (at, place, flip) => {
        const bytes = records.map((one) => Uint8Array.from(one));
        const target = bytes[at] as Uint8Array;
        target[place % target.length] = (target[place % target.length] as number) ^ flip;
        assert.throws(() => walk("a/0", bytes, hashes), broken);
      },
    ),
  );
});

test("a record reads back as it was written, and other bytes are refused by name", () => {
  const record = turn(7, [{ do: "write", key: "k", value: { deep: [1, "x", null] } }]);
  assert.deepEqual(decodeRecord("a/0", 7, encodeRecord(record)), record);
  const text = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
  for (const bytes of [
    text({}),
    text(null),
    text({ ...record, v: 2 }),
    text({ ...record, seq: 8 }),
    Uint8Array.of(255),
  ]) {
    assert.throws(() => decodeRecord("a/0", 7, bytes), { code: "LEDGER_RECORD_INVALID" });
  }
});

const effectArbitrary: fc.Arbitrary<Effect> = fc.oneof(
  fc.record({ do: fc.constant("write" as const), key: fc.constantFrom("a", "b"), value: fc.integer() }),
  fc.record({ do: fc.constant("delete" as const), key: fc.constantFrom("a", "b") }),
  fc.record({
    do: fc.constant("setTimer" as const),
    id: fc.constantFrom("t", "u"),
    at: fc.nat(),
    payload: fc.constant(null),
  }),
  fc.record({ do: fc.constant("cancelTimer" as const), id: fc.constantFrom("t", "u") }),
  fc.record({
    do: fc.constant("publish" as const),
    topic: fc.constant("x.v1"),
    key: fc.string({ maxLength: 2 }),
    event: fc.integer(),
  }),
  fc.record({
    do: fc.constant("call" as const),
    tag: fc.constant("t"),
    capability: fc.constant("c"),
    method: fc.constant("m"),
    input: fc.constant(null),
    context: fc.constant(null),
    timeoutMs: fc.integer({ min: 1, max: 100 }),
  }),
);

test("folding the stored bytes gives the state the running kernel had (L1)", () => {
  fc.assert(
    fc.property(fc.array(fc.array(effectArbitrary, { maxLength: 5 }), { maxLength: 20 }), (turns) => {
      const running = emptyShard("a/0");
      const recovered = emptyShard("a/0");
      turns.forEach((effects, index) => {
        const record = turn(index + 1, effects);
        applyRecord(running, record);
        applyRecord(recovered, decodeRecord("a/0", index + 1, encodeRecord(record)));
      });
      // fast-check makes objects without a prototype; JSON makes plain ones.
      assert.equal(JSON.stringify(snapshot(recovered)), JSON.stringify(snapshot(running)));
    }),
  );
});

test("recovery releases again what was not confirmed, and only that", () => {
  const state = emptyShard("a/0");
  const publish = { do: "publish", topic: "x.v1", key: "k", event: 1 } as const;
  applyRecord(state, turn(1, [publish, publish]));
  applyRecord(state, turn(2, [publish]));
  assert.equal(releasedSeq(state), 0);
  state.outbox.confirm({ seq: 1, index: 0 });
  assert.equal(releasedSeq(state), 0);
  state.outbox.confirm({ seq: 1, index: 1 });
  assert.equal(releasedSeq(state), 1);
  applyRecord(state, turn(3, [], { released: releasedSeq(state) }));
  assert.deepEqual(state.outbox.keys(), ["a/0:2:0"]);
  const again = emptyShard("a/0");
  for (const record of [turn(1, [publish, publish]), turn(2, [publish]), turn(3, [], { released: 1 })]) {
    applyRecord(again, record);
  }
  assert.deepEqual(again.outbox.keys(), ["a/0:2:0"]);
});

test("an answer ends the pending call it names, a timer that fired is gone unless set again (L3)", () => {
  const state = emptyShard("a/0");
  const call = {
    do: "call",
    tag: "t",
    capability: "c",
    method: "m",
    input: 1,
    context: 2,
    timeoutMs: 5,
  } as const;
  applyRecord(state, turn(1, [call, { do: "setTimer", id: "x", at: 9, payload: null }]));
  assert.deepEqual([...state.pending.keys()], ["a/0:1:0"]);
  const answer = { ok: true, value: 3 } as const;
  const delivery = { kind: "answer", callId: "a/0:1:0", tag: "t", context: 2, answer } as const;
  const source = { from: "effect", shard: "b/0", seq: 4, index: 1, depth: 0, delivery } as const;
  applyRecord(state, turn(2, [], { input: source, outcome: { failed: "TURN_HANDLER_THREW", message: "" } }));
  assert.equal(state.pending.size, 0);
  assert.deepEqual(state.watermarks.get("b/0"), { seq: 4, index: 1 });
  const fired = { kind: "timer", id: "x", dueAt: 9, payload: null } as const;
  applyRecord(state, turn(3, [], { input: { from: "timer", delivery: fired } }));
  assert.equal(state.timers.size, 0);
});

test("encoded records share memory and still do not touch each other, whatever their text and length", () => {
  const text = fc.oneof(fc.string({ unit: "binary" }), fc.string({ minLength: 5_000, maxLength: 30_000 }));
  fc.assert(
    fc.property(fc.array(text, { maxLength: 12 }), (texts) => {
      const encoded = texts.map((one) => textBytes(one));
      const expected = texts.map((one) => new TextEncoder().encode(one));
      assert.deepEqual(
        encoded.map((bytes) => [...bytes]),
        expected.map((bytes) => [...bytes]),
      );
    }),
    { numRuns: 50 },
  );
});
