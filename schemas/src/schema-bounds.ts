/**
 * What a schema that a capsule brings along may not do, checked before it is compiled: validating runs in the kernel,
 * once a publish, so its cost must be bounded by the schema and the value, never by their product's exponent.
 *
 * 1. References stay inside the document and form no circle; following all of them visits at most `MAX_STEPS` schemas.
 * 2. `uniqueItems` compares each item with each other, so it needs a `maxItems`.
 * 3. No name is registered anywhere: no `$id` but the document's own, no anchors, no dynamic references.
 */
import type { Json, JsonObject } from "./json.ts";
import { atPointer, pointerOf } from "./strict-json.ts";

/** Schemas visited when every reference is followed: `anyOf` of two references, 20 deep, would be a million. */
const MAX_STEPS = 10_000;
const MAX_DEPTH = 64;
const MAX_UNIQUE_ITEMS = 1024;
const REFUSED = [
  "$anchor",
  "$dynamicRef",
  "$dynamicAnchor",
  "$recursiveRef",
  "$recursiveAnchor",
  "$vocabulary",
];
const MAPS = new Set(["properties", "patternProperties", "$defs", "dependentSchemas"]);
const LISTS = new Set(["allOf", "anyOf", "oneOf", "prefixItems"]);
/** Their values are data or names, not schemas. */
const DATA = new Set(["const", "enum", "default", "examples", "required", "type"]);

/**
 * The schema with only those of its `$defs` that it reaches, so that compiling one method of a capability does not pay
 * for all the others. Throws an Error that says why the schema cannot be used.
 */
export function boundedSchema(document: JsonObject): JsonObject {
  const sizes = new Map<string, number>();
  const open: string[] = [];
  const { $id: _, $defs = {}, ...root } = document;
  if (visit(root, [], true) > MAX_STEPS) throw new Error(tooMany());
  const reached = Object.entries($defs as JsonObject).filter(([name]) => {
    const pointer = pointerOf(["$defs", name]);
    return [...sizes.keys()].some((one) => one === pointer || one.startsWith(`${pointer}/`));
  });
  return reached.length === 0 ? root : { ...root, $defs: Object.fromEntries(reached) };

  function size(pointer: string): number {
    const known = sizes.get(pointer);
    if (known !== undefined) return known;
    if (open.includes(pointer)) throw new Error(`#${pointer} refers to itself`);
    const target = atPointer(document, pointer);
    if (target === undefined) throw new Error(`#${pointer} is nowhere in it`);
    open.push(pointer);
    const steps = visit(target, pointer.split("/").slice(1), false);
    open.pop();
    sizes.set(pointer, steps);
    return steps;
  }

  function visit(schema: Json, path: readonly string[], isRoot: boolean): number {
    if (typeof schema !== "object" || schema === null) return 1;
    if (path.length > MAX_DEPTH) throw new Error(`it nests deeper than ${MAX_DEPTH} at ${pointerOf(path)}`);
    let steps = 1;
    if (!Array.isArray(schema)) {
      const object = schema as JsonObject;
      const at = pointerOf(path) || "its top";
      const refused = REFUSED.find((word) => word in object && typeof object[word] !== "object");
      if (refused !== undefined) throw new Error(`${refused} at ${at} is not supported`);
      if (!isRoot && typeof object["$id"] === "string") throw new Error(`$id at ${at} is not supported`);
      if (object["uniqueItems"] === true && !(Number(object["maxItems"]) <= MAX_UNIQUE_ITEMS)) {
        throw new Error(`uniqueItems at ${at} needs a maxItems of at most ${MAX_UNIQUE_ITEMS}`);
      }
      const reference = object["$ref"];
      if (typeof reference === "string") {
        if (reference !== "#" && !reference.startsWith("#/")) {
          throw new Error(`$ref ${reference} at ${at} leads out of the document`);
        }
        steps += reference === "#" ? refuseSelf(at) : size(decode(reference.slice(1)));
      }
    }
    for (const [key, inner] of Object.entries(schema) as [string, Json][]) {
      if (!Array.isArray(schema) && DATA.has(key) && !isMap(path)) continue;
      if ((isMap(path) || isList(path)) && !isSchema(inner)) {
        throw new Error(`${pointerOf([...path, key])} is no schema`);
      }
      steps += visit(inner, [...path, key], false);
      if (steps > MAX_STEPS) throw new Error(tooMany());
    }
    return steps;
  }
}

/** Keys of a map are names that a capsule chose. A map stands in a schema: a property may be called `properties`. */
function isMap(path: readonly string[]): boolean {
  return MAPS.has(path.at(-1) ?? "") && !isMap(path.slice(0, -1));
}

function isList(path: readonly string[]): boolean {
  return LISTS.has(path.at(-1) ?? "") && !isMap(path.slice(0, -1));
}

function isSchema(value: Json): boolean {
  return typeof value === "boolean" || (typeof value === "object" && value !== null && !Array.isArray(value));
}

function decode(pointer: string): string {
  try {
    return decodeURIComponent(pointer);
  } catch {
    throw new Error(`$ref #${pointer} is no reference`);
  }
}

function refuseSelf(at: string): never {
  throw new Error(`$ref # at ${at} refers to itself`);
}

function tooMany(): string {
  return `following its references visits more than ${MAX_STEPS} schemas`;
}
