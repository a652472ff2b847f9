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
/** Their values are data or names, not schemas. */
const DATA = new Set(["const", "enum", "default", "examples", "required", "type"]);

/** Why the schema cannot be used, or undefined. `document` holds what its references point at. */
export function boundsProblem(document: JsonObject): string | undefined {
  const sizes = new Map<string, number>();
  const open: string[] = [];
  try {
    const { $defs: _, ...root } = document;
    if (visit(root, [], true) > MAX_STEPS) return tooMany();
    for (const name of Object.keys((document["$defs"] ?? {}) as JsonObject)) {
      if (size(`/$defs/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`) > MAX_STEPS) return tooMany();
    }
    return undefined;
  } catch (error) {
    if (error instanceof Refused) return error.message;
    throw error;
  }

  function size(pointer: string): number {
    const known = sizes.get(pointer);
    if (known !== undefined) return known;
    if (open.includes(pointer)) throw new Refused(`#${pointer} refers to itself`);
    const target = atPointer(document, pointer);
    if (target === undefined) throw new Refused(`#${pointer} is nowhere in it`);
    open.push(pointer);
    const steps = visit(target, pointer.split("/").slice(1), false);
    open.pop();
    sizes.set(pointer, steps);
    return steps;
  }

  function visit(schema: Json, path: readonly string[], isRoot: boolean): number {
    if (typeof schema !== "object" || schema === null) return 1;
    if (path.length > MAX_DEPTH) throw new Refused(`it nests deeper than ${MAX_DEPTH} at ${pointerOf(path)}`);
    let steps = 1;
    if (!Array.isArray(schema)) {
      const object = schema as JsonObject;
      const at = pointerOf(path) || "its top";
      const refused = REFUSED.find((word) => word in object && typeof object[word] !== "object");
      if (refused !== undefined) throw new Refused(`${refused} at ${at} is not supported`);
      if (!isRoot && typeof object["$id"] === "string") throw new Refused(`$id at ${at} is not supported`);
      if (object["uniqueItems"] === true && !(Number(object["maxItems"]) <= MAX_UNIQUE_ITEMS)) {
        throw new Refused(`uniqueItems at ${at} needs a maxItems of at most ${MAX_UNIQUE_ITEMS}`);
      }
      const reference = object["$ref"];
      if (typeof reference === "string") {
        if (reference !== "#" && !reference.startsWith("#/")) {
          throw new Refused(`$ref ${reference} at ${at} leads out of the document`);
        }
        steps += reference === "#" ? refuseSelf(at) : size(decode(reference.slice(1)));
      }
    }
    for (const [key, inner] of Object.entries(schema) as [string, Json][]) {
      if (!Array.isArray(schema) && DATA.has(key) && !isMap(path)) continue;
      steps += visit(inner, [...path, key], false);
      if (steps > MAX_STEPS) throw new Refused(tooMany());
    }
    return steps;
  }
}

/** Inside `properties` and its like, keys are names that a capsule chose and say nothing. */
function isMap(path: readonly string[]): boolean {
  const last = path.at(-1);
  return (
    last === "properties" || last === "patternProperties" || last === "$defs" || last === "dependentSchemas"
  );
}

function decode(pointer: string): string {
  try {
    return decodeURIComponent(pointer);
  } catch {
    throw new Refused(`$ref #${pointer} is no reference`);
  }
}

function refuseSelf(at: string): never {
  throw new Refused(`$ref # at ${at} refers to itself`);
}

function tooMany(): string {
  return `following its references visits more than ${MAX_STEPS} schemas`;
}

class Refused extends Error {}
