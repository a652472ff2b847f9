import assert from "node:assert/strict";
import { test } from "node:test";
import { compileSchema, type Json, type JsonObject, type TopicDefinition } from "@vnes/schemas";
import fc from "fast-check";
import { evolutionProblem } from "../../src/bus/evolution.ts";
import { additionProblem } from "../../src/bus/schema-addition.ts";

function definition(more: Partial<TopicDefinition>): TopicDefinition {
  return {
    schema_version: "v1",
    topic: "test.noted.v1",
    owner: "test.noter",
    description: "",
    schemas: [{ type: "object" }],
    partition: { count: 1 },
    quality: "at_least_once",
    retention: {},
    flow: { policy: "block", buffer: 16 },
    ...more,
  };
}

const closed = (properties: JsonObject, required: readonly string[] = []): JsonObject => ({
  type: "object",
  required,
  additionalProperties: false,
  properties,
});
const text = { type: "string", maxLength: 8 };

const RULES: readonly [
  title: string,
  before: Json,
  next: Json,
  rule: string | undefined,
  pointer?: string,
][] = [
  ["an optional field of a closed object", closed({ a: text }), closed({ a: text, b: text }), undefined],
  ["a description", closed({ a: text }), closed({ a: { ...text, description: "what" } }), undefined],
  ["a longer text", closed({ a: text }), closed({ a: { type: "string", maxLength: 9 } }), undefined],
  ["no bound any more", closed({ a: text }), closed({ a: { type: "string" } }), undefined],
  ["one more value", { enum: ["a"] }, { enum: ["a", "b"] }, undefined],
  ["values for a constant", { const: "a" }, { enum: ["a", "b"] }, undefined],
  ["a closed object opens", closed({ a: text }), { type: "object", properties: { a: text } }, undefined],
  ["types in another order", { type: ["string", "null"] }, { type: ["null", "string"] }, undefined],
  [
    "a field of an open object",
    { type: "object" },
    { type: "object", properties: { b: text } },
    "property-added-to-open-object",
    "/properties/b",
  ],
  ["any field of an open object", { type: "object" }, { type: "object", properties: { b: {} } }, undefined],
  ["a required field", closed({ a: text }), closed({ a: text }, ["a"]), "required-added", "/required"],
  ["a freed field", closed({ a: text }, ["a"]), closed({ a: text }), "required-removed", "/required"],
  ["a field goes", closed({ a: text }), closed({}), "property-removed", "/properties/a"],
  [
    "another type",
    closed({ a: text }),
    closed({ a: { type: "number" } }),
    "type-changed",
    "/properties/a/type",
  ],
  ["a wider type", { type: "integer" }, { type: "number" }, "type-changed", "/type"],
  ["a shorter text", { maxLength: 8 }, { maxLength: 7 }, "bound-tightened", "/maxLength"],
  ["a bound where none was", {}, { minimum: 0 }, "bound-tightened"],
  [
    "a bound beside a type",
    { type: "number" },
    { type: "number", minimum: 0 },
    "bound-tightened",
    "/minimum",
  ],
  ["another pattern", { pattern: "^a" }, { pattern: "^b" }, "bound-tightened", "/pattern"],
  ["a value less", { enum: ["a", "b"] }, { enum: ["a"] }, "values-restricted", "/enum"],
  ["values where any was", { type: "string" }, { type: "string", enum: ["a"] }, "values-restricted", "/enum"],
  ["a value of another type", { enum: ["a"] }, { enum: ["a", 1] }, "type-changed", "/enum"],
  [
    "a constant beside a list without it",
    { const: 1 },
    { const: 1, enum: [2] },
    "values-restricted",
    "/const",
  ],
  ["an open object closes", { type: "object" }, closed({}), "schema-replaced", "/additionalProperties"],
  ["other items", { items: text }, { items: { type: "number" } }, "type-changed", "/items/type"],
  ["any items", { items: text }, { type: "array" }, "type-changed", "/type"],
  ["anyOf", { anyOf: [text] }, { anyOf: [text, { type: "null" }] }, "keyword-changed", "/anyOf"],
  [
    "a changed definition",
    { $ref: "#/$defs/a", $defs: { a: text } },
    { $ref: "#/$defs/a", $defs: { a: {} } },
    "definition-changed",
    "/$defs/a",
  ],
  [
    "unevaluated",
    { unevaluatedProperties: false, minProperties: 2 },
    { unevaluatedProperties: false },
    "not-comparable",
    "",
  ],
];

for (const [title, before, next, rule, pointer] of RULES) {
  test(`${title}: ${rule ?? "an addition"} (EV1, EV2)`, () => {
    const problem = additionProblem(before, next, "");
    assert.equal(problem?.rule, rule);
    if (pointer !== undefined) assert.equal(problem?.pointer, pointer);
  });
}

test("what a topic promises beside its schemas keeps its version too", () => {
  const rule = (more: Partial<TopicDefinition>, before: Partial<TopicDefinition> = {}): string | undefined =>
    evolutionProblem(definition(before), definition(more))?.rule;
  assert.equal(rule({ owner: "test.other" }), "owner-changed");
  assert.equal(rule({ quality: "exactly_once" }), "quality-changed");
  assert.equal(rule({ partition: { count: 2 } }), "partition-changed");
  assert.equal(rule({ partition: { count: 1, key: "/a" } }), "partition-changed");
  assert.equal(rule({ flow: { policy: "shed", buffer: 16 } }), "flow-weakened");
  assert.equal(rule({ flow: { policy: "block", buffer: 16, decided_by: "any" } }), "flow-weakened");
  assert.equal(rule({ schemas: [] }), "schema-removed");
  assert.equal(rule({ schemas: [{ type: "object" }, { type: "string" }] }), undefined);
  assert.equal(
    rule({ description: "new", retention: { max_events: 1 }, flow: { policy: "block", buffer: 1 } }),
    undefined,
  );
  const below: JsonObject = { not: { $ref: "#/properties/a" }, properties: { a: text } };
  const wider: JsonObject = { not: { $ref: "#/properties/a" }, properties: { a: { type: "string" } } };
  assert.equal(rule({ schemas: [wider] }, { schemas: [below] }), "not-comparable");
});

// --- the checker against ajv --------------------------------------------------------------------------------------

const names = ["a", "b", "c"] as const;
const leaf: fc.Arbitrary<JsonObject> = fc.oneof(
  fc.record({ type: fc.constant("string"), maxLength: fc.nat(4) }, { requiredKeys: ["type"] }),
  fc.record(
    {
      type: fc.constantFrom("integer", "number"),
      minimum: fc.integer({ min: -2, max: 2 }),
      multipleOf: fc.constantFrom(1, 2),
    },
    { requiredKeys: ["type"] },
  ),
  fc.record({ enum: fc.uniqueArray(fc.constantFrom("x", "y", 1, null), { minLength: 1 }) }),
  fc.record({ const: fc.constantFrom("x", 1) }),
  fc.constant({}),
) as fc.Arbitrary<JsonObject>;
const schema: fc.Arbitrary<Json> = fc.letrec<{ schema: Json; object: Json }>((tie) => ({
  schema: fc.oneof(
    { maxDepth: 2, depthSize: "small" },
    leaf,
    tie("object"),
    fc.record(
      { type: fc.constant("array"), items: tie("schema"), maxItems: fc.nat(3) },
      { requiredKeys: ["type"] },
    ) as fc.Arbitrary<Json>,
  ),
  object: fc.record(
    {
      type: fc.constant("object"),
      properties: fc.dictionary(fc.constantFrom(...names), tie("schema"), { maxKeys: 3 }),
      required: fc.uniqueArray(fc.constantFrom(...names), { maxLength: 2 }),
      additionalProperties: fc.oneof(fc.boolean(), leaf),
      patternProperties: fc.constant({ "^d": { type: "string" } }),
    },
    { requiredKeys: ["type"] },
  ) as fc.Arbitrary<Json>,
})).object;

/** Small changes of a schema, so that additions are met often. */
function changed(before: Json, at: fc.GeneratorValue): Json {
  const copy = JSON.parse(JSON.stringify(before)) as { [key: string]: Json };
  const pick = at(fc.integer, { min: 0, max: 9 });
  const properties = (copy["properties"] ?? {}) as { [key: string]: Json };
  const name = at(() => fc.constantFrom(...names));
  switch (pick) {
    case 0:
      copy["additionalProperties"] = at(fc.boolean);
      return copy;
    case 1:
      delete copy["additionalProperties"];
      return copy;
    case 2:
      copy["required"] = at(() => fc.subarray([...names]));
      return copy;
    case 3:
    case 4:
    case 5:
      copy["properties"] = { ...properties, [name]: at(() => leaf) };
      return copy;
    case 6: {
      const { [name]: _, ...rest } = properties;
      copy["properties"] = rest;
      return copy;
    }
    default:
      if (typeof properties[name] === "object" && properties[name] !== null)
        copy["properties"] = { ...properties, [name]: changed(properties[name], at) };
      return copy;
  }
}

const value: fc.Arbitrary<Json> = fc.letrec<{ value: Json; object: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 2 },
    fc.constantFrom<Json>("x", "y", "", "bbbbbb", 1, 2, -3, 0.5, null, true),
    tie("object"),
    fc.array(tie("value"), { maxLength: 3 }),
  ),
  object: fc.dictionary(fc.constantFrom(...names, "d"), tie("value"), { maxKeys: 3 }) as fc.Arbitrary<Json>,
})).object;

test("what it calls an addition refuses no event that was valid before, as ajv sees it (EV1)", () => {
  let additions = 0;
  let compared = 0;
  fc.assert(
    fc.property(schema, fc.gen(), fc.array(value, { minLength: 20, maxLength: 20 }), (before, at, events) => {
      const next = changed(before, at);
      if (additionProblem(before, next, "") !== undefined) return;
      additions += JSON.stringify(before) === JSON.stringify(next) ? 0 : 1;
      const [was, is] = [compileSchema(before), compileSchema(next)];
      for (const event of events) {
        if (was(event).length > 0) continue;
        compared++;
        assert.deepEqual(is(event), [], JSON.stringify({ before, next, event }));
      }
    }),
    { numRuns: 1_000 },
  );
  assert.ok(additions > 50 && compared > 500, `only ${additions} additions and ${compared} events were met`);
});
