/** JSON given on the command line: refused where it could only be taken as something else than what was typed. */
import { type Json, type JsonBounds, type JsonProblem, parseStrictJson, schemaErrors } from "@vnes/schemas";
import { cliErrors } from "./errors.ts";

/** As much as one argument can hold anyway, and as deep as a turn's own values. */
const ARGUMENT_BOUNDS: JsonBounds = { maxBytes: 4 * 1024 * 1024, maxDepth: 64 };

/** `what` begins the sentence that says what is wrong; `next` is what to type instead. Throws `CLI_USAGE` or `JSON_*`. */
export function parseJson(text: string, what: string, next: string): Json {
  return parseArgument(text, what, (problem) =>
    cliErrors.create("CLI_USAGE", { problem: `${what} is not JSON: ${problem}`, next }),
  );
}

/** `notJson` makes the error for what is no JSON at all; what is JSON and cannot be kept as it stands is a `JSON_*`. */
export function parseArgument(text: string, what: string, notJson: (problem: string) => Error): Json {
  const json = parseStrictJson(new TextEncoder().encode(text), ARGUMENT_BOUNDS);
  if (json.ok) return json.value;
  throw json.problem.code === "JSON_SYNTAX" ? notJson(said(json.problem)) : refused(what, json.problem);
}

function said({ message, pointer }: JsonProblem): string {
  return pointer === "" ? message : `${message} (in ${pointer})`;
}

function refused(what: string, { code, pointer, message }: JsonProblem): Error {
  return schemaErrors.create(code, { file: what, pointer: pointer || "/", problem: message });
}
