/** What is cut out of a record's bytes, against what decoding it and writing it again makes of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Delivery, Effect, Json } from "@vnes/schemas";
import fc from "fast-check";
import { decodeRecord, encodeRecord, type TurnInput, type TurnRecord } from "../../src/ledger/record.ts";
import { deliveryOf } from "../../src/replay/delivery.ts";
import { expectedResult } from "../../src/replay/output.ts";
import { TextBuffer } from "../../src/replay/text-buffer.ts";
import { addRequest, addResult, cutTurn, type TurnCut } from "../../src/replay/turn-text.ts";

/** Names and texts that look like the record around them. */
const traps = fc.constantFrom(
  "outcome",
  "effects",
  "delivery",
  "input",
  "released",
  `,"outcome":"ok","effects":[`,
  `],"released":1}`,
  `\\`,
  `"`,
  "ä\u2028😀",
  "\ud800",
  "__proto__",
  "1",
);
const text = fc.oneof(fc.string({ unit: "grapheme", maxLength: 8 }), traps);
/** JSON.parse of Node 24 takes the name "\n" for "\\" when it has met an object of that shape: a name with a backslash proves nothing. */
const name = text.filter((one) => !one.includes("\\"));
const { value } = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    text,
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((one) => (Object.is(one, -0) ? 0 : one)),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(name, tie("value"), { maxKeys: 4 }),
  ),
}));
const whole = fc.nat({ max: 2 ** 40 });
const delivery: fc.Arbitrary<Delivery> = fc.oneof(
  fc.record({ kind: fc.constant("start" as const), config: value, resumed: fc.boolean() }),
  fc.record({
    kind: fc.constant("call" as const),
    callId: text,
    capability: text,
    method: text,
    input: value,
    caller: text,
    deadlineAt: whole,
  }),
  fc.record({ kind: fc.constant("timer" as const), id: text, dueAt: whole, payload: value }),
);
const byValue: fc.Arbitrary<TurnInput> = fc.oneof(
  fc.record({
    from: fc.constantFrom("kernel" as const, "control" as const, "device" as const, "ephemeral" as const),
    depth: fc.nat({ max: 64 }),
    delivery,
  }),
  fc.record({ from: fc.constant("timer" as const), delivery }),
  fc.record({
    from: fc.constant("effect" as const),
    shard: fc.constantFrom("vpn.session/0", "test.counter/12"),
    seq: whole,
    index: fc.nat({ max: 64 }),
    depth: fc.nat({ max: 64 }),
    delivery,
  }),
);
const effect: fc.Arbitrary<Effect> = fc.oneof(
  fc.record({ do: fc.constant("write" as const), key: text, value }),
  fc.record({ do: fc.constant("publish" as const), topic: text, key: text, event: value }),
);
const record: fc.Arbitrary<TurnRecord> = fc.record({
  v: fc.constant(1 as const),
  kind: fc.constant("turn" as const),
  seq: fc.integer({ min: 1, max: 2 ** 40 }),
  at: whole,
  seed: fc.constantFrom("0123456789abcdef", ""),
  input: byValue,
  outcome: fc.constant("ok" as const),
  effects: fc.array(effect, { maxLength: 3 }),
  released: whole,
});

const decoder = new TextDecoder();

function textOf(
  add: (to: TextBuffer, bytes: Uint8Array, cut: TurnCut) => void,
  bytes: Uint8Array,
  cut: TurnCut,
): string {
  const to = new TextBuffer();
  add(to, bytes, cut);
  return decoder.decode(to.bytes);
}

test("what is cut out is what the decoded record written again would be (T2), and most records are cut (T1)", () => {
  let cuts = 0;
  let records = 0;
  fc.assert(
    fc.property(record, (written) => {
      const bytes = encodeRecord(written);
      const cut = cutTurn(bytes, written.seq);
      records += 1;
      if (cut === undefined) return;
      cuts += 1;
      const read = decodeRecord("test.x/0", written.seq, bytes) as TurnRecord;
      const { seq, at, seed } = read;
      const request = { turn: seq, at, seed, delivery: deliveryOf(read.input, []) };
      assert.equal(textOf(addRequest, bytes, cut), JSON.stringify(request));
      assert.equal(textOf(addResult, bytes, cut), expectedResult(read));
    }),
    { numRuns: 2_000 },
  );
  assert.ok(cuts > records / 2, `${cuts} of ${records}`);
});

const plain: TurnRecord = {
  v: 1,
  kind: "turn",
  seq: 7,
  at: 5,
  seed: "0123456789abcdef",
  input: { from: "control", depth: 0, delivery: { kind: "timer", id: "t:1", dueAt: 4, payload: { a: [1] } } },
  outcome: "ok",
  effects: [{ do: "write", key: "k", value: { b: [2] } }],
  released: 6,
};
const bytesOf = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

test("a record that stands in any other way is not cut (T1)", () => {
  assert.ok(cutTurn(encodeRecord(plain), 7) !== undefined);
  assert.equal(cutTurn(encodeRecord(plain), 8), undefined);
  const { input, effects, released, ...head } = plain;
  const { outcome, ...before } = head;
  const others = {
    "another end": { ...plain, outcome: { failed: "TURN_HANDLER_THREW", message: "no" } },
    "another kind": { ...plain, kind: "kernel" },
    "another version": { ...plain, v: 2 },
    "a time of more digits than stand as they are": { ...plain, at: 1_234_567_890_123_456 },
    "another order": { ...before, outcome, input, effects, released },
    "an input by reference": { ...plain, input: { from: "topic", shard: "topic/a/0", seq: 1, hash: "00" } },
    "an input with more in it": { ...plain, input: { more: {}, ...input } },
    "a delivery that is no object": { ...plain, input: { ...input, delivery: [] } },
    "more behind the effects": { ...plain, more: [] },
    "more before the end": { ...before, input, more: [], outcome, effects, released },
    "more in the input": { ...plain, input: { ...input, more: [] } },
    "a second member called outcome": { ...plain, effects: [{ a: 1, outcome: "ok" }] },
    "no effects": { ...plain, effects: null },
    spaces: undefined,
  };
  for (const [name, other] of Object.entries(others)) {
    const bytes =
      other === undefined ? new TextEncoder().encode(JSON.stringify(plain, null, 1)) : bytesOf(other);
    assert.equal(cutTurn(bytes, 7), undefined, name);
  }
  // What is no UTF-8 is the decoder's to refuse.
  const torn = encodeRecord(plain).slice();
  torn[torn.indexOf(0x74, 100)] = 0xff;
  assert.equal(cutTurn(torn, 7), undefined);
  assert.equal(cutTurn(Uint8Array.of(0xef, 0xbb, 0xbf, ...encodeRecord(plain)), 7), undefined);
});
