/** What can be wrong with a document, whichever document it is; the file and the JSON pointer say where. */
import { defineErrors, type ErrorTable } from "./error.ts";
import type { JsonCode } from "./strict-json.ts";

export type SchemaCode = JsonCode | "SCHEMA_INVALID" | "SCHEMA_FIELD_UNKNOWN" | "SCHEMA_BROKEN";

const user = { fault: "user", retry: false, exit: "usage" } as const;

export const schemaErrors: ErrorTable<SchemaCode> = defineErrors({
  JSON_NOT_UTF8: { ...user, message: "{file}: the bytes are not UTF-8", remedy: "save {file} as UTF-8" },
  JSON_TOO_LARGE: { ...user, message: "{file} is too large: {problem}", remedy: "make {file} smaller" },
  JSON_TOO_DEEP: { ...user, message: "{file} is nested too deeply at {pointer}", remedy: "flatten {file}" },
  JSON_SYNTAX: {
    ...user,
    message: "{file} is not JSON: {problem}",
    remedy: "mend {file} at the place named",
  },
  JSON_DUPLICATE_KEY: {
    ...user,
    message: "{file} has the key at {pointer} twice, so its meaning depends on who reads it",
    remedy: "remove one of the two keys",
  },
  JSON_FORBIDDEN_KEY: {
    ...user,
    message: "{file} has a forbidden key at {pointer}",
    remedy: "remove that key",
  },
  JSON_NUMBER: {
    ...user,
    message: "{file} has a number at {pointer} that cannot be kept: {problem}",
    remedy: "write it as a string, or as a smaller number",
  },
  SCHEMA_INVALID: {
    ...user,
    message: "{file} is refused at {pointer}: {problem}",
    remedy: "see schemas/ for what the field may hold",
  },
  SCHEMA_FIELD_UNKNOWN: {
    ...user,
    message: "{file} has a field at {pointer} that no schema knows",
    remedy: "remove it, or name it x_...: such fields are kept and ignored",
  },
  SCHEMA_BROKEN: {
    ...user,
    message: "a schema in {file} cannot be used: {problem}",
    remedy: "mend the schema: JSON Schema draft 2020-12",
  },
});
