/** Problems that parsers found, as reasons with the file they were found in. */
import { type Problem, type SchemaCode, schemaErrors } from "@vnes/schemas";
import type { Reason } from "./verdict.ts";

export function documentReasons(
  file: string,
  problems: readonly (
    | Problem
    | { readonly code: SchemaCode; readonly pointer: string; readonly message: string }
  )[],
): readonly Reason[] {
  return problems.map(({ code, pointer, message: problem }) => {
    const { message, remedy } = schemaErrors.create(code, { file, pointer: pointer || "its top", problem });
    return { code, message, file, pointer, remedy };
  });
}

export function schemaReason(file: string, pointer: string, problem: string): Reason {
  const { message, remedy } = schemaErrors.create("SCHEMA_BROKEN", { file, problem });
  return { code: "SCHEMA_BROKEN", message, file, pointer, remedy };
}
