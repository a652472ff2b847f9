/** ajv, made lazily: a validator costs milliseconds, and most runs of `vnes` need one or none. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Ajv2020, ErrorObject, ValidateFunction } from "ajv/dist/2020.js";
import type { SchemaCode } from "./errors.ts";
import { parseInstant } from "./instant.ts";
import type { Json, JsonObject } from "./json.ts";
import { compileLinearRegExp } from "./linear-regexp.ts";
import { boundedSchema } from "./schema-bounds.ts";
import { pointerOf } from "./strict-json.ts";

const require = createRequire(import.meta.url);

/** Our own words in schemas; they say something to us and nothing to ajv. */
const VOCABULARY = ["x_open", "x_effect", "x_shard_key", "x_unit"];

export interface Problem {
  readonly code: SchemaCode;
  /** RFC 6901; empty for the document itself. */
  readonly pointer: string;
  readonly message: string;
}

interface AjvUse {
  readonly allErrors: boolean;
  /** Whose patterns these are: our own run in V8, a capsule's in linear time. */
  readonly patterns: "own" | "foreign";
}

function makeAjv({ allErrors, patterns }: AjvUse): Ajv2020 {
  const { Ajv2020: Ajv } = require("ajv/dist/2020.js") as { Ajv2020: typeof Ajv2020 };
  const regExp = Object.assign(compileLinearRegExp, { code: "compileLinearRegExp" });
  // Tidying up what V8 compiles anyway is a third of the time a schema takes here.
  const code = { optimize: false, ...(patterns === "foreign" ? { regExp } : {}) };
  // Compiling the meta-schema takes longer than a boot has. A test holds our own schemas to it; of a capsule's schemas
  // ajv's keywords check their own values, and `boundedSchema` the rest.
  const meta = { meta: false, validateSchema: false };
  const ajv = new Ajv({ allErrors, strict: true, strictTypes: false, strictRequired: false, code, ...meta });
  ajv.addVocabulary(VOCABULARY);
  ajv.addFormat("date-time", { type: "string", validate: (text) => parseInstant(text) !== undefined });
  const addFormats = require("ajv-formats") as { default: (ajv: Ajv2020, options: unknown) => void };
  addFormats.default(ajv, { mode: "fast", formats: ["uri", "email", "uuid"] });
  return ajv;
}

let everyProblem: Ajv2020 | undefined;
let firstProblem: Ajv2020 | undefined;
let events: Ajv2020 | undefined;

export function documentSchema(name: string): JsonObject {
  const url = new URL(`../${name}.schema.json`, import.meta.url);
  return JSON.parse(readFileSync(url, "utf8")) as JsonObject;
}

/** Problems listed of one document; what comes after them is counted. */
const MAX_PROBLEMS = 100;

type DocumentCheck = (value: Json, every?: boolean) => readonly Problem[];

/** By the document's name: ajv takes a schema of one `$id` once. */
const documentChecks = new Map<string, DocumentCheck>();

/** A check of one of our own documents: every problem, or only the first. */
export function documentCheck(name: string): DocumentCheck {
  const check = documentChecks.get(name) ?? makeDocumentCheck(name);
  documentChecks.set(name, check);
  return check;
}

function makeDocumentCheck(name: string): DocumentCheck {
  let validateAll: ValidateFunction | undefined;
  let validateFirst: ValidateFunction | undefined;
  return (value, every = true) => {
    if (every) {
      everyProblem ??= makeAjv({ allErrors: true, patterns: "own" });
      validateAll ??= everyProblem.compile(documentSchema(name));
    } else {
      firstProblem ??= makeAjv({ allErrors: false, patterns: "own" });
      validateFirst ??= firstProblem.compile(documentSchema(name));
    }
    const validate = (every ? validateAll : validateFirst) as ValidateFunction;
    return validate(value) ? [] : listed(dedupe((validate.errors ?? []).map(problemOf)));
  };
}

function listed(problems: readonly Problem[]): readonly Problem[] {
  if (problems.length <= MAX_PROBLEMS) return problems;
  const message = `and ${problems.length - MAX_PROBLEMS} more problems that are not listed`;
  return [...problems.slice(0, MAX_PROBLEMS), { code: "SCHEMA_INVALID", pointer: "", message }];
}

type SchemaCheck = (value: Json) => readonly Problem[];

/** By the schema's JSON: admission compiles what the node then compiles again, and a node that boots again all of it. */
const compiled = new Map<string, SchemaCheck>();
/** Several times what one node uses; beyond it the oldest is compiled again when it is needed. */
const COMPILED_MAX = 1_024;

/**
 * Compiles a schema that a capsule brought along; equal schemas are compiled once. Throws an Error that says why it
 * cannot be used. The check returns at most one problem; it is on the path of every publish.
 */
export function compileSchema(schema: Json): SchemaCheck {
  if (typeof schema !== "object" || schema === null || Array.isArray(schema)) {
    throw new Error("a schema is an object");
  }
  const text = JSON.stringify(schema);
  const known = compiled.get(text);
  if (known !== undefined) return known;
  events ??= makeAjv({ allErrors: false, patterns: "foreign" });
  const validate = events.compile(boundedSchema(schema as JsonObject));
  const check: SchemaCheck = (value) =>
    validate(value) ? [] : (validate.errors ?? []).slice(0, 1).map(problemOf);
  for (const oldest of compiled.keys()) {
    if (compiled.size < COMPILED_MAX) break;
    compiled.delete(oldest);
  }
  compiled.set(text, check);
  return check;
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
  const constant = (params as { allowedValue?: unknown }).allowedValue;
  const known = allowed ?? (constant === undefined ? undefined : [constant]);
  const more = known === undefined ? "" : `: ${known.join(", ")}`;
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
