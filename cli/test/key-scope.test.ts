import assert from "node:assert/strict";
import { test } from "node:test";
import { documentSchema, isVnesError } from "@vnes/schemas";
import { checkTyped, MODEST } from "../src/commands/key-scope.ts";

/** The part of `schemas/trust.schema.json` that bounds what people type of a key. */
const { namespaces, owners, revoked } = (
  documentSchema("trust") as unknown as { properties: { keys: { items: { properties: Bounded } } } }
).properties.keys.items.properties;

interface Bounded {
  readonly namespaces: List;
  readonly owners: List;
  readonly revoked: { readonly properties: { readonly reason: { readonly maxLength: number } } };
}

interface List {
  readonly maxItems: number;
  readonly items: { readonly maxLength: number; readonly pattern: string };
}

type Typed = Parameters<typeof checkTyped>[0];

/** Empty when it is taken. */
function refusal(typed: Typed): string {
  try {
    checkTyped(typed, "next");
    return "";
  } catch (error) {
    assert.ok(isVnesError(error), String(error));
    return error.message;
  }
}

const NAMES = [
  ...["*", "a", "a.b", "a.*", "a.b_2.*"],
  ...["", "A", ".a", "a.", "a*", "a.*.b", "*.a", "a-b", "a b", "a\n"],
];
const many = (count: number): readonly string[] => Array.from({ length: count }, (_, i) => `a${i}`);

test("what is typed of a key is taken when a trust document can hold it, and else refused by its flag", () => {
  const pattern = new RegExp(namespaces.items.pattern);
  for (const name of NAMES)
    assert.equal(refusal({ namespaces: [name] }) === "", pattern.test(name), JSON.stringify(name));
  for (const [flag, most, over] of [
    ["--namespace", { namespaces: many(namespaces.maxItems) }, { namespaces: many(namespaces.maxItems + 1) }],
    ["--owner", { owners: many(owners.maxItems) }, { owners: many(owners.maxItems + 1) }],
    ["--namespace", longest("namespaces", 0), longest("namespaces", 1)],
    ["--owner", longest("owners", 0), longest("owners", 1)],
    ["--reason", longest("reason", 0), longest("reason", 1)],
  ] as const) {
    assert.equal(refusal(most), "", flag);
    assert.match(refusal(over), new RegExp(`^${flag} `));
  }
  assert.match(refusal({ owners: [""] }), /^--owner /);
});

function longest(field: "namespaces" | "owners" | "reason", more: number): Typed {
  if (field === "reason") return { reason: "a".repeat(revoked.properties.reason.maxLength + more) };
  const { maxLength } = { namespaces, owners }[field].items;
  return { [field]: ["a".repeat(maxLength + more)] };
}

test("nobody gets the system zone or the tiers a node stands on without a word", () => {
  assert.deepEqual(MODEST, {
    tiers: ["extension", "experimental", "local"],
    zones: ["tenant", "session", "ephemeral"],
  });
});
