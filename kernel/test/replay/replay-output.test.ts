/** When two outputs are the same, and where they differ: against what JSON.stringify writes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Effect, Json } from "@vnes/schemas";
import fc from "fast-check";
import type { TurnRecord } from "../../src/ledger/record.ts";
import {
  expectedResult,
  firstPlace,
  isRunAgain,
  isSameOutput,
  type Output,
  outputText,
} from "../../src/replay/output.ts";

const value = fc.jsonValue().map((json) => JSON.parse(JSON.stringify(json)) as Json);
const write = fc.record({ do: fc.constant("write" as const), key: fc.constantFrom("a", "b"), value });
const output = fc.record({ outcome: fc.constant("ok" as const), effects: fc.array(write, { maxLength: 3 }) });

/** The same with something in one value changed, or the order of two members. */
function changed(one: Output, by: Json): Output {
  const [first, ...rest] = one.effects as [Extract<Effect, { do: "write" }>?, ...Effect[]];
  if (first === undefined) return { ...one, effects: [{ do: "write", key: "a", value: by }] };
  return { ...one, effects: [{ ...first, value: by }, ...rest] };
}

test("outputs are the same exactly when their text is, and then there is no place", () => {
  fc.assert(
    fc.property(output, output, value, (a, b, by) => {
      for (const [one, other] of [
        [a, b],
        [a, JSON.parse(JSON.stringify(a)) as Output],
        [a, changed(a, by)],
      ] as const) {
        const same = outputText(one) === outputText(other);
        assert.equal(isSameOutput(one, other), same);
        if (same) continue;
        const { pointer, key } = firstPlace(one, other);
        assert.match(pointer, /^\/effects\/\d/);
        assert.ok(key === "a" || key === "b");
      }
    }),
  );
});

test("what a sandbox is expected to say is its JSON of a turn that ended well, and nothing for one that failed", () => {
  fc.assert(
    fc.property(output, ({ effects }) => {
      const record = { seq: 7, outcome: "ok", effects } as unknown as TurnRecord;
      const said = JSON.stringify({ turn: 7, kind: "done", effects });
      assert.equal(expectedResult(record), said);
    }),
  );
  const failed = { seq: 7, outcome: { failed: "TURN_HANDLER_THREW", message: "no" }, effects: [] };
  assert.equal(expectedResult(failed as unknown as TurnRecord), "");
});

test("the order of members is a difference, and the difference is shown as small as it is", () => {
  const of = (json: Json): Output => ({ outcome: "ok", effects: [{ do: "write", key: "k", value: json }] });
  assert.equal(isSameOutput(of({ a: 1, b: 2 }), of({ b: 2, a: 1 })), false);
  const place = firstPlace(of({ a: [1, { "b/c": 2 }], d: 3 }), of({ a: [1, { "b/c": 4 }], d: 3 }));
  const expected = {
    pointer: "/effects/0/value/a/1/b~1c",
    what: "write k",
    key: "k",
    recorded: 2,
    replayed: 4,
  };
  assert.deepEqual(place, expected);
  const more = firstPlace(of(1), { outcome: "ok", effects: [...of(1).effects, { do: "delete", key: "z" }] });
  assert.deepEqual([more.pointer, more.recorded, more.key], ["/effects/1", null, "z"]);
  const failed = firstPlace(of(1), { outcome: { failed: "TURN_HANDLER_THREW", message: "no" }, effects: [] });
  assert.equal(failed.pointer, "/outcome");
});

test("what the machine or the kernel decided is not run again; what the handler did is (R2)", () => {
  const turn = (failed: string): TurnRecord => ({ outcome: { failed, message: "" } }) as TurnRecord;
  for (const code of [
    "TURN_DEADLINE",
    "TURN_MEMORY",
    "TURN_KILLED_HOST",
    "TURN_TOPIC_UNKNOWN",
    "TURN_VERSION_CONFLICT",
  ])
    assert.equal(isRunAgain(turn(code)), false, code);
  assert.equal(isRunAgain(turn("TURN_HANDLER_THREW")), true);
});
