/** A table of policy as JSON Schema, for whoever writes a policy and for the kernel that checks one. */
import type { PolicyField, PolicyTable } from "./policy.ts";

type Range = { readonly minimum: number; readonly maximum: number };

type Property = {
  readonly type: "integer";
  readonly description: string;
  /** Says something to people and tools; a validator passes over it. */
  readonly x_unit: string;
} & (Range | { readonly anyOf: readonly [{ readonly const: 0 }, Range] });

/** What one field asks of another; JSON Schema compares no two values, so there is one for each value of the other. */
type Rule = { readonly if: object; readonly then: object };

export type PolicySchema = {
  readonly type: "object";
  readonly additionalProperties: false;
  readonly required: readonly string[];
  readonly properties: { readonly [name: string]: Property };
  readonly allOf?: readonly Rule[];
};

/**
 * `whole`: a policy as it is kept, with every field; otherwise one that may leave fields to whoever has the rest, and that is
 * compared with their usual values.
 */
export function policySchema(table: PolicyTable, whole: boolean): PolicySchema {
  const fields = Object.entries(table);
  const rules = fields.flatMap(([name, field]) => rulesOf(table, name, field));
  return {
    type: "object",
    additionalProperties: false,
    required: whole ? Object.keys(table) : [],
    properties: Object.fromEntries(fields.map(([name, field]) => [name, propertyOf(field)])),
    ...(rules.length === 0 ? {} : { allOf: rules }),
  };
}

function propertyOf({ unit, min, max, orZero, meaning }: PolicyField): Property {
  const range = { minimum: min, maximum: max };
  const values = orZero ? { anyOf: [{ const: 0 }, range] as const } : range;
  return { type: "integer", ...values, description: meaning, x_unit: unit };
}

/** For every value of the other field that this one could exceed, and for the usual one where the other is left out. */
function rulesOf(table: PolicyTable, name: string, { max, usual, atMost }: PolicyField): readonly Rule[] {
  const other = atMost === undefined ? undefined : table[atMost];
  if (atMost === undefined || other === undefined) return [];
  const within = (limit: number): object => ({
    properties: { [name]: { maximum: limit } },
    ...(usual > limit ? { required: [name] } : {}),
  });
  const rules: Rule[] = [];
  for (let value = other.min; value < Math.min(max, other.max + 1); value++) {
    const is = { properties: { [atMost]: { const: value } }, required: [atMost] };
    rules.push({ if: is, then: within(value) });
  }
  if (other.usual < max) rules.push({ if: { not: { required: [atMost] } }, then: within(other.usual) });
  return rules;
}
