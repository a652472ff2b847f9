import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { canonicalJson, compileSchema, type Json, parseStrictJson } from "@vnes/schemas";

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value)) as unknown;
const noProto = (value: unknown): boolean => !JSON.stringify(value).includes('"__proto__"');
const exact = (value: unknown): boolean => {
  let ok = true;
  JSON.stringify(value, (_, inner: unknown) => {
    if (
      typeof inner === "number" &&
      (Object.is(inner, -0) || (Number.isInteger(inner) && !Number.isSafeInteger(inner)))
    )
      ok = false;
    if (typeof inner === "string" && !inner.isWellFormed()) ok = false;
    return inner;
  });
  return ok;
};

test("whatever JSON.stringify writes is read as JSON.parse reads it, unless it is refused by name", () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), fc.constantFrom(undefined, 2), (value, indent) => {
      const text = JSON.stringify(value, null, indent);
      const parsed = parseStrictJson(encode(text));
      if (!parsed.ok) {
        assert.ok(!exact(JSON.parse(text)) || !noProto(value), JSON.stringify(parsed.problem));
        return;
      }
      assert.deepEqual(plain(parsed.value), JSON.parse(text));
    }),
  );
});

test("no bytes make the reader throw, and it accepts nothing JSON.parse refuses", () => {
  const bits = fc.constantFrom(
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    '"a"',
    '"',
    "1",
    "-",
    "0",
    ".",
    "e",
    "true",
    "nul",
    " ",
    "\\",
  );
  fc.assert(
    fc.property(fc.array(bits, { maxLength: 14 }), (parts) => {
      const text = parts.join("");
      const parsed = parseStrictJson(encode(text));
      if (parsed.ok) assert.deepEqual(plain(parsed.value), JSON.parse(text));
    }),
    { numRuns: 3_000 },
  );
  fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => void parseStrictJson(bytes)));
});

test("size, depth and encoding are bounded", () => {
  const bounds = { maxBytes: 10, maxDepth: 2 };
  const code = (bytes: Uint8Array): string | undefined => {
    const parsed = parseStrictJson(bytes, bounds);
    return parsed.ok ? undefined : parsed.problem.code;
  };
  assert.equal(code(encode("[[1]]")), undefined);
  assert.equal(code(encode("[[[]]]")), "JSON_TOO_DEEP");
  assert.equal(code(encode('"12345678901"')), "JSON_TOO_LARGE");
  assert.equal(code(Uint8Array.of(0x22, 0xff, 0x22)), "JSON_NOT_UTF8");
});

test("canonical JSON does not depend on the order of keys (RFC 8785)", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
      fc.pre(!/"(?:__proto__|toJSON)"/.test(JSON.stringify(value)));
      const shuffled = Object.fromEntries(Object.entries(value).reverse());
      assert.deepEqual(canonicalJson(shuffled), canonicalJson(value));
    }),
  );
  assert.equal(new TextDecoder().decode(canonicalJson({ b: 1, a: [1e21, "€"] })), '{"a":[1e+21,"€"],"b":1}');
});

/** After an object of this shape JSON.parse of Node 24 reads `{"a":1,"\n":2}` as one with a name `\`. */
function confuse(name: string): void {
  for (let times = 0; times < 3; times++) JSON.parse(JSON.stringify({ a: 1, [name]: 2 }));
}

test("two documents whose names differ have different bytes to sign, whatever this process has read before", () => {
  for (const before of ["", "x", "no"]) {
    confuse(`${before}\\`);
    const texts = ["\\", "\n", '"', "\u0001"].map((end) =>
      new TextDecoder().decode(canonicalJson({ a: 1, [`${before}${end}`]: 2 })),
    );
    assert.equal(new Set(texts).size, texts.length, texts.join());
    for (const text of texts) {
      const parsed = parseStrictJson(encode(text));
      assert.ok(parsed.ok);
      assert.equal(new TextDecoder().decode(canonicalJson(parsed.value)), text);
    }
  }
});

test("what has no canonical JSON throws", () => {
  const circleFree = { same: [1] };
  assert.equal(
    new TextDecoder().decode(canonicalJson([circleFree, circleFree, undefined, -0])),
    '[{"same":[1]},{"same":[1]},null,0]',
  );
  const none = [
    undefined,
    Number.NaN,
    1n,
    "\ud800",
    { "\ud800": 1 },
    { toJSON: 1 },
    JSON.parse('{"__proto__":1}'),
    new Date(0),
  ];
  for (const value of none)
    assert.throws(() => canonicalJson([{ value }].map((one) => one.value)[0]), TypeError);
});

test("a schema that could stall the kernel, or that nothing can use, is refused when it is compiled", () => {
  const refused: Json[] = [
    { type: "string", pattern: "^(a)\\1$" },
    { properties: { x: { pattern: "(?=a)c" } } },
    { patternProperties: { "\\bx": {} } },
    { pattern: "a".repeat(3000) },
    { $ref: "https://elsewhere.example/schema.json" },
    { type: "strin" },
    { madeUp: 1 },
    7,
  ];
  for (const schema of refused) assert.throws(() => compileSchema(schema), Error, JSON.stringify(schema));
  const check = compileSchema({ type: "object", properties: { n: { type: "integer" } }, required: ["n"] });
  assert.deepEqual(check({ n: 1 }), []);
  assert.deepEqual(
    check({ n: "x" }).map(({ pointer }) => pointer),
    ["/n"],
  );
  assert.deepEqual(
    check({}).map(({ pointer }) => pointer),
    ["/n"],
  );
});
