/** A table of policy as JSON Schema, for whoever writes a policy and for the kernel that checks one. */
import type { PolicyTable } from "./policy.ts";

type Property = {
  readonly type: "integer";
  readonly minimum: number;
  readonly maximum: number;
  readonly description: string;
  /** Says something to people and tools; a validator passes over it. */
  readonly x_unit: string;
};

export type PolicySchema = {
  readonly type: "object";
  readonly additionalProperties: false;
  readonly required: readonly string[];
  readonly properties: { readonly [name: string]: Property };
};

/** `whole`: a policy as it is kept, with every field; otherwise one that may leave fields to whoever has the rest. */
export function policySchema(table: PolicyTable, whole: boolean): PolicySchema {
  const properties = Object.entries(table).map(([name, { unit, min, max, meaning }]): [string, Property] => [
    name,
    { type: "integer", minimum: min, maximum: max, description: meaning, x_unit: unit },
  ]);
  return {
    type: "object",
    additionalProperties: false,
    required: whole ? Object.keys(table) : [],
    properties: Object.fromEntries(properties),
  };
}
