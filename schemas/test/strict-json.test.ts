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
