/** What a handler threw, in words. It may be anything, and looking at it may throw again. */

/** Enough for a sentence; a stack or a document is for the log. */
const MAX_LENGTH = 500;
/** A key or a topic in a message of ours may be as long as its author likes. */
const MAX_MESSAGE = 1_000;
/** What is wrong with it is said at the end. */
const TAIL = 200;
/** A file of a bundle with line and column is far shorter. */
const MAX_PLACE = 200;
/** The message stands before the frames, and may be as long as it likes. */
const MAX_STACK = 16_384;

/** Goes into records and answers: nothing in it may depend on how an engine writes stacks, or on where a file lies. */
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

/**
 * Where an error was made, `impl/main.js:12:9`: of the first frame of its stack, as V8 writes it, without what stands before the file.
 * For the log alone. Undefined for what has no such frame.
 */
export function placeOfThrown(thrown: unknown): string | undefined {
  try {
    if (!(thrown instanceof Error) || typeof thrown.stack !== "string") return undefined;
    const frame = /^ +at (.+)$/m.exec(thrown.stack.slice(0, MAX_STACK))?.[1] ?? "";
    const place = /([^\s():]+:\d+:\d+)\)?$/.exec(frame)?.[1];
    return place === undefined || place.length > MAX_PLACE ? undefined : place;
  } catch {
    return undefined;
  }
}

/** A longer message than this is none to the kernel. */
export function shortened(message: string): string {
  if (message.length <= MAX_MESSAGE) return message;
  return `${message.slice(0, MAX_LENGTH)}...${message.slice(-TAIL)}`;
}

function bounded(text: string): string {
  return text.length <= MAX_LENGTH ? text : `${text.slice(0, MAX_LENGTH)}...`;
}
