/** Rule 5 of the sandbox port (`Sandbox`), for a driver that reads and judges its results in any case. */
import type { TurnResult } from "@vnes/schemas";

const decoder = new TextDecoder();

/** Undefined when every turn ended well and the JSON of the results is `expected`, UTF-8. */
export function unlessExpected(
  results: readonly TurnResult[],
  expected: Uint8Array,
): readonly TurnResult[] | undefined {
  const isKnown = JSON.stringify(results) === decoder.decode(expected);
  return isKnown && results.every(({ kind }) => kind === "done") ? undefined : results;
}
