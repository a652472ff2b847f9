/**
 * Reads what strace wrote (`recorder.ts` names the flags): one system call a line, strings in hex, descriptors with
 * their paths. A call another thread interrupted stands on two lines; it counts where it ended.
 */
import { createReadStream } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** A call that changed something. `startedAt` and the position in the list are line numbers: what ended before what began. */
export type DiskCall =
  | {
      readonly call: "open";
      readonly path: string;
      readonly creates: boolean;
      readonly truncates: boolean;
      readonly appends: boolean;
    }
  /** `at` null: where the file's position stands. */
  | { readonly call: "write"; readonly path: string; readonly at: number | null; readonly bytes: Buffer }
  | { readonly call: "truncate"; readonly path: string; readonly size: number }
  | { readonly call: "sync"; readonly path: string; readonly startedAt: number }
  | { readonly call: "unlink"; readonly path: string }
  | { readonly call: "rename"; readonly from: string; readonly to: string };

export interface TracedCall {
  readonly line: number;
  readonly event: DiskCall;
}

/** Calls on files below `directory`, in the order they ended. Throws on a call it should know and does not. */
export async function* readTrace(file: string, directory: string): AsyncGenerator<TracedCall> {
  const marker = hexEscaped(directory);
  const begun = new Map<string, { readonly line: number; readonly text: string }>();
  let line = 0;
  for await (const text of createInterface({
    input: createReadStream(file, "latin1"),
    crlfDelay: Infinity,
  })) {
    line++;
    const pid = /^\d+/.exec(text)?.[0] ?? "";
    if (text.endsWith("<unfinished ...>")) {
      begun.set(pid, { line, text: text.slice(0, -"<unfinished ...>".length).trimEnd() });
      continue;
    }
    let whole = text;
    let startedAt = line;
    const resumed = /^\d+\s+<\.\.\. \w+ resumed>/.exec(text);
    if (resumed !== null) {
      const first = begun.get(pid);
      if (first === undefined) continue;
      begun.delete(pid);
      whole = first.text + text.slice(resumed[0].length);
      startedAt = first.line;
    }
    if (!whole.includes(marker)) continue;
    const event = parseCall(whole.replace(/^\d+\s+/, ""), startedAt);
    if (event !== undefined && isBelow(event, directory)) yield { line, event };
  }
}

function isBelow(event: DiskCall, directory: string): boolean {
  const path = event.call === "rename" ? event.to : event.path;
  return path === directory || path.startsWith(`${directory}/`);
}

function parseCall(text: string, startedAt: number): DiskCall | undefined {
  const match = /^(\w+)\((.*)\)\s+= (-?\d+)/.exec(text);
  if (match === null) return undefined;
  const [, name = "", args = "", result = ""] = match;
  if (result.startsWith("-")) return undefined;
  const descriptor = pathOf(/^\w+<([^>]*)>/.exec(args)?.[1]);
  const strings = [...args.matchAll(/"((?:\\x[0-9a-f]{2})*)"/g)].map(([, hex = ""]) => fromHex(hex));
  const tail = args
    .slice(args.lastIndexOf('"') + 1)
    .split(",")
    .map((part) => part.trim());
  switch (name) {
    case "openat":
      return {
        call: "open",
        path: absolute(descriptor, strings[0]),
        creates: args.includes("O_CREAT"),
        truncates: args.includes("O_TRUNC"),
        appends: args.includes("O_APPEND"),
      };
    case "write":
      return { call: "write", path: descriptor, at: null, bytes: written(strings[0], result) };
    case "pwrite64":
      return { call: "write", path: descriptor, at: Number(tail.at(-1)), bytes: written(strings[0], result) };
    case "writev":
      return { call: "write", path: descriptor, at: null, bytes: written(Buffer.concat(strings), result) };
    case "pwritev":
      return {
        call: "write",
        path: descriptor,
        at: Number(tail.at(-1)),
        bytes: written(Buffer.concat(strings), result),
      };
    case "ftruncate":
      return { call: "truncate", path: descriptor, size: Number(args.slice(args.lastIndexOf(",") + 1)) };
    case "fsync":
    case "fdatasync":
      return { call: "sync", path: descriptor, startedAt };
    case "unlink":
      return { call: "unlink", path: absolute("/", strings[0]) };
    case "unlinkat":
      return { call: "unlink", path: absolute(descriptor, strings[0]) };
    case "rename":
      return { call: "rename", from: absolute("/", strings[0]), to: absolute("/", strings[1]) };
    case "renameat":
    case "renameat2":
      return { call: "rename", from: absolute(descriptor, strings[0]), to: absolute(descriptor, strings[1]) };
    default:
      throw new Error(`the trace holds a call the power cut does not know: ${name}`);
  }
}

/** What the call took, which may be less than it was given. */
function written(bytes: Buffer | undefined, result: string): Buffer {
  const count = Number(result);
  if (bytes === undefined || bytes.length < count)
    throw new Error("the trace cut a write short: raise strace's -s");
  return bytes.subarray(0, count);
}

function absolute(base: string, path: Buffer | undefined): string {
  const text = path?.toString("utf8") ?? "";
  return text.startsWith("/") ? text : join(base, text);
}

function pathOf(hex: string | undefined): string {
  return hex === undefined ? "" : fromHex(hex).toString("utf8");
}

function fromHex(escaped: string): Buffer {
  return Buffer.from(escaped.replaceAll("\\x", ""), "hex");
}

function hexEscaped(text: string): string {
  return Buffer.from(text).toString("hex").replace(/../g, "\\x$&");
}
