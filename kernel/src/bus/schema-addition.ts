/**
 * Is one JSON Schema an addition to another: does it accept whatever the other accepted (EV1 of `evolution.ts`) and keep
 * what a reader could count on (EV2)? Structural, on a subset of the 2020-12 keywords; it never looks at values.
 *
 * A schema is the conjunction of its keywords, so it accepts no less when no keyword accepts less. Keywords that speak of
 * each other are compared together: `properties` with `additionalProperties` and `patternProperties`.
 */
import { type Json, type JsonObject, pointerOf } from "@vnes/schemas";
import { isSame } from "./same-json.ts";

export interface EvolutionProblem {
  /** Into the new definition. */
  readonly pointer: string;
  /** Name of the rule, as the documentation lists them. */
  readonly rule: string;
  readonly why: string;
}

/** They describe; they accept and refuse nothing. */
const ANNOTATIONS: ReadonlySet<string> = new Set([
  "title",
  "description",
  "default",
  "examples",
  "deprecated",
  "readOnly",
  "writeOnly",
  "$comment",
  "$schema",
  "$id",
]);
/** May go down or away. */
const LOWER_BOUNDS = ["minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"];
/** May go up or away. */
const UPPER_BOUNDS = ["maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"];
/** May go away, and not change. */
const DROPPABLE = ["pattern", "format", "multipleOf"];
const COMPARED: ReadonlySet<string> = new Set([
  ...LOWER_BOUNDS,
  ...UPPER_BOUNDS,
  ...DROPPABLE,
  "type",
  "properties",
  "required",
  "additionalProperties",
  "items",
  "enum",
  "const",
  "uniqueItems",
  "$defs",
]);
/** Their meaning depends on everything beside them. */
const TAKES_ALL = ["unevaluatedProperties", "unevaluatedItems"];

/** The first rule that `next` breaks, at its place below `pointer`; undefined when it is an addition. */
export function additionProblem(before: Json, next: Json, pointer: string): EvolutionProblem | undefined {
  // What nothing satisfied, nobody could count on; what accepts anything accepts the rest.
  if (before === false || isSame(before, next)) return undefined;
  if (!isObject(next) || !isObject(before)) {
    if (!isAnything(before)) return broken(pointer, "schema-replaced", "it was a schema with keywords");
    return isAnything(next) ? undefined : broken(pointer, "schema-replaced", "anything was allowed before");
  }
  const checks = [othersProblem, typeProblem, valuesProblem, boundsProblem, membersProblem, itemsProblem];
  for (const check of checks) {
    const problem = check(before, next, pointer);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** Keywords that are not compared by their meaning, and the definitions that references lead to. */
function othersProblem(before: JsonObject, next: JsonObject, pointer: string): EvolutionProblem | undefined {
  for (const word of new Set([...Object.keys(before), ...Object.keys(next)])) {
    if (ANNOTATIONS.has(word) || word.startsWith("x_") || COMPARED.has(word)) continue;
    const at = childOf(pointer, word);
    if (TAKES_ALL.includes(word))
      return broken(pointer, "not-comparable", `${word} depends on all beside it`);
    if (!isSame(before[word] ?? null, next[word] ?? null) || word in before !== word in next)
      return broken(at, "keyword-changed", `${word} has to stay as it is`);
  }
  const [was, is] = [membersOf(before, "$defs"), membersOf(next, "$defs")];
  for (const [name, schema] of Object.entries(was)) {
    if (!isSame(schema, is[name] ?? null))
      return broken(childOf(childOf(pointer, "$defs"), name), "definition-changed", "references lead to it");
  }
  return undefined;
}

function typeProblem(before: JsonObject, next: JsonObject, pointer: string): EvolutionProblem | undefined {
  if (isSame(typesOf(before), typesOf(next))) return undefined;
  return broken(childOf(pointer, "type"), "type-changed", "readers count on the type");
}

function valuesProblem(before: JsonObject, next: JsonObject, pointer: string): EvolutionProblem | undefined {
  const [was, is] = [allowedValues(before), allowedValues(next)];
  const at = childOf(pointer, "const" in next ? "const" : "enum");
  const hasType = "type" in next;
  if (is === undefined) {
    if (was === undefined || hasType) return undefined;
    return broken(at, "type-changed", "without a type the values said what type it is");
  }
  if (was === undefined) return broken(at, "values-restricted", "any value was allowed before");
  const missing = was.find((value) => !is.some((other) => isSame(value, other)));
  if (missing !== undefined) return broken(at, "values-restricted", `${JSON.stringify(missing)} was allowed`);
  const types = new Set(was.map(typeOf));
  const strange = is.find((value) => !types.has(typeOf(value)));
  return hasType || strange === undefined
    ? undefined
    : broken(at, "type-changed", `${JSON.stringify(strange)} is of another type than the values before`);
}

function boundsProblem(before: JsonObject, next: JsonObject, pointer: string): EvolutionProblem | undefined {
  const tightened = (word: string, isWider: (was: number, is: number) => boolean): boolean => {
    const [was, is] = [before[word], next[word]];
    if (is === undefined) return false;
    return typeof was !== "number" || typeof is !== "number" || !isWider(was, is);
  };
  const word =
    LOWER_BOUNDS.find((one) => tightened(one, (was, is) => is <= was)) ??
    UPPER_BOUNDS.find((one) => tightened(one, (was, is) => is >= was)) ??
    DROPPABLE.find((one) => next[one] !== undefined && !isSame(next[one], before[one] ?? null)) ??
    (next["uniqueItems"] === true && before["uniqueItems"] !== true ? "uniqueItems" : undefined);
  return word === undefined
    ? undefined
    : broken(childOf(pointer, word), "bound-tightened", "values that were allowed would be refused");
}

function membersProblem(before: JsonObject, next: JsonObject, pointer: string): EvolutionProblem | undefined {
  const [was, is] = [membersOf(before, "properties"), membersOf(next, "properties")];
  const [needed, needs] = [namesIn(before), namesIn(next)];
  const added = needs.find((name) => !needed.includes(name));
  const required = childOf(pointer, "required");
  if (added !== undefined) return broken(required, "required-added", `kept events may lack ${added}`);
  const freed = needed.find((name) => !needs.includes(name));
  if (freed !== undefined) return broken(required, "required-removed", `readers count on ${freed}`);
  const at = (name: string): string => childOf(childOf(pointer, "properties"), name);
  for (const [name, schema] of Object.entries(was)) {
    if (!Object.hasOwn(is, name)) return broken(at(name), "property-removed", "readers count on its type");
    const problem = additionProblem(schema, is[name] as Json, at(name));
    if (problem !== undefined) return problem;
  }
  for (const [name, schema] of Object.entries(is)) {
    if (Object.hasOwn(was, name)) continue;
    const problem = newPropertyProblem(before, schema, at(name));
    if (problem !== undefined) return problem;
  }
  const rest = next["additionalProperties"] ?? true;
  return additionProblem(
    before["additionalProperties"] ?? true,
    rest,
    childOf(pointer, "additionalProperties"),
  );
}

/** Events kept before may carry a member of that name already, with whatever the old schema let through. */
function newPropertyProblem(before: JsonObject, schema: Json, pointer: string): EvolutionProblem | undefined {
  if (isAnything(schema)) return undefined;
  const patterns = Object.keys(membersOf(before, "patternProperties")).length > 0;
  const open = before["additionalProperties"] ?? true;
  if (open === false && !patterns) return undefined;
  if (patterns || isAnything(open)) {
    const why = "the object was open, so kept events may hold anything there; only {} would do";
    return broken(pointer, "property-added-to-open-object", why);
  }
  return additionProblem(open, schema, pointer);
}

function itemsProblem(before: JsonObject, next: JsonObject, pointer: string): EvolutionProblem | undefined {
  const at = childOf(pointer, "items");
  if ("items" in before && !("items" in next))
    return broken(at, "items-removed", "readers count on their type");
  return additionProblem(before["items"] ?? true, next["items"] ?? true, at);
}

/** Sorted, so that the order in which types are listed does not count; null without `type`. */
function typesOf(schema: JsonObject): Json {
  const type = schema["type"];
  if (type === undefined) return null;
  return (Array.isArray(type) ? [...(type as readonly string[])].sort() : [type]) as Json;
}

function allowedValues(schema: JsonObject): readonly Json[] | undefined {
  const list = schema["enum"];
  const values = Array.isArray(list) ? (list as readonly Json[]) : undefined;
  if (!("const" in schema)) return values;
  const only = schema["const"] as Json;
  return values === undefined || values.some((value) => isSame(value, only)) ? [only] : [];
}

function typeOf(value: Json): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}

/** `true`, `{}`, or a schema that only describes. */
function isAnything(schema: Json): boolean {
  if (schema === true) return true;
  return (
    isObject(schema) && Object.keys(schema).every((word) => ANNOTATIONS.has(word) || word.startsWith("x_"))
  );
}

function membersOf(schema: JsonObject, word: string): JsonObject {
  const members = schema[word];
  return isObject(members) ? members : {};
}

function namesIn(schema: JsonObject): readonly string[] {
  const names = schema["required"];
  return Array.isArray(names) ? (names as readonly string[]) : [];
}

function childOf(pointer: string, name: string): string {
  return pointer + pointerOf([name]);
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function broken(pointer: string, rule: string, why: string): EvolutionProblem {
  return { pointer, rule, why };
}
