/** What a handler threw, in words. It may be anything, and looking at it may throw again. */

/** Enough for a sentence; a stack or a document is for the log. */
const MAX_LENGTH = 500;

export function describeThrown(thrown: unknown): string {
  try {
    if (thrown instanceof Error) return bounded(`${String(thrown.name)}: ${String(thrown.message)}`);
    if (typeof thrown === "string")
      return bounded(`threw the text ${JSON.stringify(thrown.slice(0, MAX_LENGTH))}`);
    if (typeof thrown === "object" && thrown !== null) return "threw an object that is no error";
    if (typeof thrown === "function") return "threw a function";
    return bounded(`threw ${String(thrown)}`);
  } catch {
    return "threw something that cannot be described";
  }
}

function bounded(text: string): string {
  return text.length <= MAX_LENGTH ? text : `${text.slice(0, MAX_LENGTH)}...`;
}
