/** JSON given on the command line. */
import type { Json } from "@vnes/schemas";
import { cliErrors } from "./errors.ts";

/** `what` begins the sentence that says what is wrong; `next` is what to type instead. Throws `CLI_USAGE`. */
export function parseJson(text: string, what: string, next: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch (cause) {
    const problem = `${what} is not JSON: ${(cause as Error).message}`;
    throw cliErrors.create("CLI_USAGE", { problem, next }, cause);
  }
}
