/** Reading in pieces beside `JSON.parse`, which reads the same text at once. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { JsonRefused, parseInPieces, type PieceBounds, type Whole } from "../src/json-pieces.ts";

const BOUNDS: PieceBounds = {
  mostValues: 1_000_000,
  mostNested: 1_000_000,
  deepest: 100,
  longestText: 1_000_000,
  runBytes: 8,
  isAccepted: () => true,
};

function read(
  text: string,
  bounds: Partial<PieceBounds> = {},
): { readonly whole: Whole; readonly pieces: number } {
  const steps = parseInPieces(Buffer.from(text), { ...BOUNDS, ...bounds });
  for (let pieces = 1; ; pieces++) {
    const { done, value } = steps.next();
    if (done === true) return { whole: value, pieces };
  }
}

/** What it comes to, or undefined where it throws. */
function outcome(parse: () => unknown): { readonly value: unknown } | undefined {
  try {
    return { value: parse() };
  } catch (cause) {
    assert.ok(cause instanceof SyntaxError, String(cause));
    return undefined;
  }
}

/** Names that come again, that are numbers, or that objects have anyway. */
const name = fc.oneof(
  fc.constantFrom("a", "1", "__proto__", "constructor", ""),
  fc.string({ unit: "binary" }),
);
const { value: json } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    fc.oneof(
      fc.integer(),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.string({ unit: "grapheme" }),
    ),
    fc.constantFrom(null, true, false),
    fc.array(tie("value"), { maxLength: 12 }),
    fc
      .array(fc.tuple(name, tie("value")), { maxLength: 12 })
      .map((members) => Object.fromEntries(members) as unknown),
  ),
}));

test("what comes of it is what JSON.parse makes of the text, members in the same order (J1)", () => {
  fc.assert(
    fc.property(
      json,
      fc.constantFrom(undefined, 1, "\t"),
      fc.integer({ min: 1, max: 40 }),
      (value, indent, runBytes) => {
        const text = JSON.stringify(value, undefined, indent);
        const { whole } = read(text, { runBytes });
        assert.deepEqual(whole.value, JSON.parse(text));
        assert.equal(JSON.stringify(whole.value), JSON.stringify(JSON.parse(text)));
      },
    ),
    { numRuns: 500 },
  );
});

test("where JSON.parse throws, it throws, and nowhere else (J1)", () => {
  const bit = fc.constantFrom(",", "[", "]", "{", "}", ":", '"', "\\", "1", "-", "x", " ", '"a":', "[],", "");
  fc.assert(
    fc.property(
      json,
      fc.array(fc.tuple(fc.nat(), fc.nat(2), bit), { minLength: 1, maxLength: 3 }),
      (value, edits) => {
        let text = JSON.stringify(value);
        for (const [place, gone, come] of edits) {
          const at = place % (text.length + 1);
          text = text.slice(0, at) + come + text.slice(at + gone);
        }
        // A half of a pair is another text once it was bytes.
        const written = Buffer.from(text).toString();
        assert.deepEqual(
          outcome(() => read(written).whole.value),
          outcome(() => JSON.parse(written) as unknown),
          written,
        );
      },
    ),
    { numRuns: 2_000 },
  );
});

test("names that come twice, and none that changes what an object is", () => {
  for (const text of [
    '{"a":1,"b":[1,2,3,4,5,6,7],"a":[9,9,9,9,9,9],"b":2}',
    '{"x":[1,2,3,4,5,6,7],"__proto__":[1,2,3,4,5,6,7],"y":{"__proto__":{"a":"aaaaaaaaa","b":1}}}',
  ])
    assert.equal(JSON.stringify(read(text).whole.value), JSON.stringify(JSON.parse(text)));
});

test("of a list or object that is longer than a run it knows the bytes", () => {
  fc.assert(
    fc.property(json, (value) => {
      const { whole } = read(JSON.stringify(value, undefined, 1));
      const left = [whole.value];
      for (let next = left.pop(); next !== undefined; next = left.pop()) {
        if (typeof next !== "object" || next === null) continue;
        const size = whole.sizeOf(next);
        if (size !== undefined) assert.equal(size, Buffer.byteLength(JSON.stringify(next)));
        left.push(...(Object.values(next) as unknown[]));
      }
    }),
    { numRuns: 200 },
  );
  const { whole } = read("[1,2,3,4,5,6,7,8]");
  assert.equal(whole.sizeOf(whole.value as object), 17);
});

test("a long text comes in many pieces, whether it is wide or deep or one string (J2)", () => {
  const runBytes = 1_024;
  const wide = JSON.stringify(Array.from({ length: 50_000 }, (_, n) => n));
  const named = JSON.stringify(Object.fromEntries(Array.from({ length: 20_000 }, (_, n) => [`n${n}`, n])));
  const deep = `${'{"a":[1,2,3,'.repeat(20)}${wide}${"]}".repeat(20)}`;
  for (const text of [wide, named, deep])
    assert.ok(read(text, { runBytes }).pieces > text.length / (2 * runBytes));
  assert.ok(read(JSON.stringify('"'.repeat(400_000)), { runBytes }).pieces > 10);
});

function refused(text: string, bounds: Partial<PieceBounds>): JsonRefused | undefined {
  try {
    read(text, bounds);
  } catch (cause) {
    assert.ok(cause instanceof JsonRefused, String(cause));
    return cause;
  }
  return undefined;
}

const refusal = (text: string, bounds: Partial<PieceBounds>): string | undefined =>
  refused(text, bounds)?.message;

test("who refuses tells what stands before, whatever it is about and however much was read", () => {
  const bad: { readonly [text: string]: Partial<PieceBounds> } = {
    '[[["x"]]]': { deepest: 3 },
    '{"a":[{}]}': { mostNested: 1 },
    [`["-",1,2,3${",4".repeat(50)}]`]: { isAccepted: (run) => !JSON.stringify(run).includes("-") },
    [`["${"x".repeat(3_000)}",1]`]: { longestText: 2_000 },
  };
  for (const [text, bounds] of Object.entries(bad))
    for (const runBytes of [1, 10, 30, 60])
      for (let length = 0; length < 6; length++) {
        const before = Array.from({ length }, (_, n) => [n, "some text"]);
        const written = [...before.map((one) => JSON.stringify(one)), text, "[7]"].join(",");
        assert.deepEqual(refused(`[${written}]`, { ...bounds, runBytes })?.before, before);
      }
});

test("what is too much is refused before it is read", () => {
  assert.equal(refusal("[1,2,3]", { mostValues: 2 }), "more than 2 values");
  assert.equal(refusal("[1,2,3]", { mostValues: 3 }), undefined);
  // Within strings nothing is a value, whatever stands before their end.
  assert.equal(refusal(JSON.stringify(["[{,,,", '\\"[,,,', "\\"]), { mostValues: 3 }), undefined);
  assert.equal(refusal("[[{},[]],[[[]]]]", { mostNested: 2 }), undefined);
  assert.equal(refusal("[[],[{},[[]]]]", { mostNested: 2 }), "more than 2 lists and objects in one");
  assert.equal(refusal("[[[]]]", { deepest: 2 }), "nested deeper than 2 levels");
  assert.equal(refusal(`["${"x".repeat(100)}"]`, { longestText: 90 }), "a text of more than 90 bytes");
  assert.equal(refusal(`["${"x".repeat(80)}",1]`, { longestText: 90 }), undefined);
  const levels: number[] = [];
  const isAccepted = (run: unknown, level: number): boolean => {
    levels.push(level);
    return JSON.stringify(run) !== "[13]";
  };
  assert.equal(refusal('[0,{"a":[1000,2000,13]}]', { isAccepted, runBytes: 3 }), "a value that is none");
  // The name, and the numbers one by one.
  assert.deepEqual(levels, [1, 2, 2, 2]);
});
