import assert from "node:assert/strict";
import { test } from "node:test";
import { documentSchema } from "@vnes/schemas";
import { checkScope, MODEST } from "../src/commands/key-scope.ts";

/** The part of `schemas/trust.schema.json` that bounds what a key may sign for. */
const { namespaces, owners } = (
  documentSchema("trust") as unknown as {
    properties: { keys: { items: { properties: Record<"namespaces" | "owners", Bounds> } } };
  }
).properties.keys.items.properties;

interface Bounds {
  readonly maxItems: number;
  readonly items: { readonly maxLength: number; readonly pattern: string };
}

function taken(...args: [namespaces: readonly string[], owners?: readonly string[]]): boolean {
  const [names, of = []] = args;
  try {
    checkScope({ roles: ["build"], namespaces: names, ...MODEST, owners: of }, "next");
    return true;
  } catch {
    return false;
  }
}

test("a scope is taken when a trust document can hold it, and not otherwise", () => {
  const pattern = new RegExp(namespaces.items.pattern);
  for (const name of [
    "*",
    "a",
    "a.b",
    "a.*",
    "a.b_2.*",
    "",
    "A",
    ".a",
    "a.",
    "a*",
    "a.*.b",
    "*.a",
    "a-b",
    "a b",
    "a\n",
  ])
    assert.equal(taken([name]), pattern.test(name), JSON.stringify(name));
  const { maxLength } = namespaces.items;
  assert.deepEqual([taken(["a".repeat(maxLength)]), taken(["a".repeat(maxLength + 1)])], [true, false]);
  const many = (count: number): readonly string[] => Array.from({ length: count }, (_, i) => `a${i}`);
  assert.deepEqual([taken(many(namespaces.maxItems)), taken(many(namespaces.maxItems + 1))], [true, false]);
  assert.deepEqual(
    [taken(["a"], many(owners.maxItems)), taken(["a"], many(owners.maxItems + 1))],
    [true, false],
  );
  const long = owners.items.maxLength;
  assert.deepEqual([taken(["a"], ["x".repeat(long)]), taken(["a"], ["x".repeat(long + 1)])], [true, false]);
});

test("nobody gets the system zone or the tiers a node stands on without a word", () => {
  assert.deepEqual(MODEST, {
    tiers: ["extension", "experimental", "local"],
    zones: ["tenant", "session", "ephemeral"],
  });
});
