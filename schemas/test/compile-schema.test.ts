import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { Ajv2020 } from "ajv/dist/2020.js";
import {
  canonicalJson,
  compileSchema,
  type Json,
  instantOf,
  parseInstant,
  parseManifest,
} from "@vnes/schemas";

const places = (schema: Json, value: Json): string[] =>
  compileSchema(schema)(value).map(({ pointer }) => pointer);

test("each pattern of a schema is its own, in properties and in patternProperties", () => {
  const schema: Json = {
    type: "object",
    properties: { a: { type: "string", pattern: "^a+$" }, b: { type: "string", pattern: "^b+$" } },
    patternProperties: { "^n_": { type: "number" }, "^s_": { type: "string" } },
    additionalProperties: false,
  };
  assert.deepEqual(places(schema, { a: "aa", b: "bb", n_1: 1, s_1: "x" }), []);
  assert.deepEqual(places(schema, { a: "aa", b: "aa" }), ["/b"]);
  assert.deepEqual(places(schema, { n_1: "x" }), ["/n_1"]);
  assert.deepEqual(places(schema, { s_1: 1 }), ["/s_1"]);
  assert.deepEqual(places(schema, { t_1: 1 }), ["/t_1"]);
});

test("a pattern that a backtracking engine never finishes says no at once", () => {
  for (const pattern of ["^(a|a)*$", "^((a*))*$", "^(a+)+$"]) {
    assert.deepEqual(places({ type: "string", pattern }, `${"a".repeat(40)}b`), [""], pattern);
    assert.deepEqual(places({ type: "string", pattern }, "a".repeat(40)), [], pattern);
  }
});

test("a schema whose references multiply, circle or lead out is refused by what it does", () => {
  const defs: { [name: string]: Json } = { d22: { const: 1 } };
  for (let depth = 0; depth < 22; depth++) {
    const twice = { $ref: `#/$defs/d${depth + 1}` };
    defs[`d${depth}`] = { anyOf: [twice, twice] };
  }
  const refused: readonly (readonly [schema: Json, why: RegExp])[] = [
    [{ $ref: "#/$defs/d0", $defs: defs }, /more than 10000 schemas/],
    [{ items: { $ref: "#" } }, /refers to itself/],
    [
      {
        $ref: "#/$defs/a",
        $defs: { a: { items: { $ref: "#/$defs/b" } }, b: { not: { $ref: "#/$defs/a" } } },
      },
      /itself/,
    ],
    [{ $ref: "#/$defs/none", $defs: {} }, /nowhere/],
    [{ $ref: "other.json#/a" }, /leads out/],
    [{ $ref: "#/%E0" }, /no reference/],
    [{ type: "array", uniqueItems: true }, /maxItems/],
    [{ properties: { a: { $id: "urn:x" } } }, /\$id/],
    [{ $anchor: "here" }, /\$anchor/],
    [{ properties: { a: 5 } }, /properties.a is no schema/],
    [{ properties: { properties: { properties: { a: 5 } } } }, /is no schema/],
    [{ allOf: [true, "x"] }, /allOf.1 is no schema/],
    [{ type: "strin" }, /type/],
    [{ minLength: "x" }, /minLength/],
  ];
  for (const [schema, why] of refused)
    assert.throws(() => compileSchema(schema), why, JSON.stringify(schema));
  const fine: Json = {
    $ref: "#/$defs/pair",
    $defs: {
      pair: { type: "array", maxItems: 2, uniqueItems: true, items: { $ref: "#/$defs/name" } },
      name: { type: "object", properties: { $id: { type: "string" }, const: { type: "string" } } },
    },
  };
  assert.deepEqual(places(fine, [{ $id: "a" }, { const: "b" }]), []);
  assert.deepEqual(places(fine, [{ $id: 1 }]), ["/0/$id"]);
  const names: Json = {
    properties: { properties: { const: "a" }, allOf: { enum: [1, ["x"]] }, items: true },
  };
  assert.deepEqual(places(names, { properties: "a", allOf: ["x"], items: 3 }), []);
});

test("our own schemas are schemas of draft 2020-12", () => {
  const ajv = new Ajv2020({
    strict: true,
    strictTypes: false,
    strictRequired: false,
    formats: { "date-time": true },
  });
  ajv.addVocabulary(["x_open"]);
  const folder = new URL("../", import.meta.url);
  const names = readdirSync(folder).filter((name) => name.endsWith(".schema.json"));
  assert.ok(names.length >= 7, names.join(" "));
  for (const name of names) {
    const schema = JSON.parse(readFileSync(new URL(name, folder), "utf8")) as {
      readonly [key: string]: unknown;
    };
    assert.equal(schema["$schema"], "https://json-schema.org/draft/2020-12/schema", name);
    assert.equal(ajv.validateSchema(schema), true, `${name}: ${ajv.errorsText()}`);
    ajv.compile(schema);
  }
});

test("a document that is wrong all over lists a bounded number of problems and counts the rest", () => {
  const document = (provides: unknown): Uint8Array =>
    canonicalJson({
      id: "a",
      version: "1.0.0",
      type: "logic",
      description: "",
      capabilities: { provides },
      governance: { tier: "core", audit_level: "none" },
    });
  const some = parseManifest(document(Array(1000).fill(1)));
  assert.ok(!some.ok && some.problems.length === 101);
  assert.match(!some.ok ? (some.problems.at(-1)?.message ?? "") : "", /^and \d+ more/);
  const huge = parseManifest(document(Array(500_000).fill(1)));
  assert.equal(!huge.ok && huge.problems.length, 1);
});

test("canonical JSON takes one object in two places, and refuses what has no one form", () => {
  const signature = { value: "v", key_id: "k" };
  const text = new TextDecoder().decode(
    canonicalJson({ signature, signatures: [signature], gone: undefined }),
  );
  assert.equal(text, '{"signature":{"key_id":"k","value":"v"},"signatures":[{"key_id":"k","value":"v"}]}');
  for (const bad of [{ toJSON: 1 }, [Number.NaN], ["\ud800"], { "\ud800": 1 }]) {
    assert.throws(() => canonicalJson(bad), TypeError);
  }
});

test("an instant is read to the millisecond, and what is none has no value at all", () => {
  const fine: readonly (readonly [text: string, at: string])[] = [
    ["2026-11-21T07:11:18Z", "2026-11-21T07:11:18.000Z"],
    ["2026-11-21t07:11:18.123456+01:30", "2026-11-21T05:41:18.123Z"],
    ["2024-02-29T00:00:00-00:00", "2024-02-29T00:00:00.000Z"],
    ["2016-12-31T23:59:60Z", "2016-12-31T23:59:59.000Z"],
  ];
  for (const [text, at] of fine) assert.equal(new Date(instantOf(text)).toISOString(), at);
  const none = [
    "2026-19-39T00:00:00Z",
    "2026-02-30T00:00:00Z",
    "2026-01-01T24:00:00Z",
    "2026-01-01",
    "2026-01-01T00:00:00",
    "",
  ];
  for (const text of none) {
    assert.equal(parseInstant(text), undefined, text);
    assert.throws(() => instantOf(text), TypeError);
  }
  const schema: Json = { type: "string", format: "date-time" };
  assert.deepEqual(places(schema, "2026-19-39T00:00:00Z"), [""]);
});
