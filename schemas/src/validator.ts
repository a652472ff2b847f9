/** ajv, made lazily: a validator costs milliseconds, and most runs of `vnes` need one or none. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Ajv2020, ErrorObject, ValidateFunction } from "ajv/dist/2020.js";
import type { SchemaCode } from "./errors.ts";
import type { Json, JsonObject } from "./json.ts";
import { pointerOf } from "./strict-json.ts";

const require = createRequire(import.meta.url);

/** Our own words in schemas; they say something to us and nothing to ajv. */
const VOCABULARY = ["x_open", "x_effect", "x_shard_key"];

export interface Problem {
  readonly code: SchemaCode;
  /** RFC 6901; empty for the document itself. */
  readonly pointer: string;
  readonly message: string;
}

function makeAjv(allErrors: boolean): Ajv2020 {
  const { Ajv2020: Ajv } = require("ajv/dist/2020.js") as { Ajv2020: typeof Ajv2020 };
  const addFormats = require("ajv-formats") as { default: (ajv: Ajv2020, options: unknown) => void };
  const ajv = new Ajv({ allErrors, strict: true, strictTypes: false, strictRequired: false });
  ajv.addVocabulary(VOCABULARY);
  addFormats.default(ajv, { mode: "fast", formats: ["date-time", "uri", "email", "uuid"] });
  return ajv;
}

let documents: Ajv2020 | undefined;
let events: Ajv2020 | undefined;

export function documentSchema(name: string): JsonObject {
  const url = new URL(`../${name}.schema.json`, import.meta.url);
  return JSON.parse(readFileSync(url, "utf8")) as JsonObject;
}

/** A check of one of our own documents, with every problem. */
export function documentCheck(name: string): (value: Json) => readonly Problem[] {
  let validate: ValidateFunction | undefined;
  return (value) => {
    documents ??= makeAjv(true);
    validate ??= documents.compile(documentSchema(name));
    return validate(value) ? [] : dedupe((validate.errors ?? []).map(problemOf));
  };
}

/** Regular expressions run in the kernel: none that can take exponential time. */
const MAX_PATTERN_LENGTH = 256;
const NESTED_QUANTIFIER = /\((?:[^()\\]|\\.)*[+*}](?:[^()\\]|\\.)*\)\s*[+*{]|\\[1-9]|\(\?</;

/**
 * Compiles a schema that a capsule brought along. Throws an Error that says why it cannot be used.
 * The check returns at most one problem; it is on the path of every publish.
 */
export function compileSchema(schema: Json): (value: Json) => readonly Problem[] {
  if (typeof schema !== "object" || schema === null || Array.isArray(schema)) {
    throw new Error("a schema is an object");
  }
  const unsafe = unsafePattern(schema, 0);
  if (unsafe !== undefined)
    throw new Error(`the pattern ${unsafe} could take exponential time, or is too long`);
  events ??= makeAjv(false);
  const { $id: _, ...rest } = schema as JsonObject;
  const validate = events.compile(rest);
  return (value) => (validate(value) ? [] : (validate.errors ?? []).slice(0, 1).map(problemOf));
}

function unsafePattern(schema: Json, depth: number): string | undefined {
  if (typeof schema !== "object" || schema === null) return undefined;
  if (depth > 64) return "(nested too deeply)";
  for (const [key, value] of Object.entries(schema) as [string, Json][]) {
    const patterns =
      key === "pattern" && typeof value === "string"
        ? [value]
        : key === "patternProperties" && typeof value === "object" && value !== null
          ? Object.keys(value)
          : [];
    const bad = patterns.find((one) => one.length > MAX_PATTERN_LENGTH || NESTED_QUANTIFIER.test(one));
    if (bad !== undefined) return bad.slice(0, MAX_PATTERN_LENGTH);
    const inside = unsafePattern(value, depth + 1);
    if (inside !== undefined) return inside;
  }
  return undefined;
}

function problemOf(error: ErrorObject): Problem {
  const { instancePath, keyword, params, message = "refused" } = error;
  if (keyword === "additionalProperties") {
    const name = String((params as { additionalProperty?: string }).additionalProperty);
    return {
      code: "SCHEMA_FIELD_UNKNOWN",
      pointer: instancePath + pointerOf([name]),
      message: "unknown field",
    };
  }
  if (keyword === "required") {
    const name = String((params as { missingProperty?: string }).missingProperty);
    return { code: "SCHEMA_INVALID", pointer: instancePath + pointerOf([name]), message: "is missing" };
  }
  const allowed = (params as { allowedValues?: readonly unknown[] }).allowedValues;
  const more = allowed === undefined ? "" : `: ${allowed.join(", ")}`;
  return { code: "SCHEMA_INVALID", pointer: instancePath, message: `${message}${more}` };
}

/** `if`/`then` and `anyOf` say the same thing several times. */
function dedupe(problems: readonly Problem[]): readonly Problem[] {
  const seen = new Map<string, Problem>();
  for (const problem of problems) {
    const key = `${problem.code} ${problem.pointer}`;
    if (!seen.has(key)) seen.set(key, problem);
  }
  return [...seen.values()];
}
