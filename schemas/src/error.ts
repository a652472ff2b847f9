/**
 * The one class of operational failure. Expected outcomes are values, bugs are assertions; everything a user can
 * meet in between is a `VnesError` whose code stands in exactly one table and in `docs/errors.md`.
 */
import type { Json } from "./json.ts";
import { shellWord } from "./shell-word.ts";

export type Fault = "user" | "capsule" | "system";

/** What the process exits with when this error ends a command; numbers in `EXIT_CODES`. */
export type ExitName = "failed" | "usage" | "notFound" | "policy" | "integrity" | "timeout" | "conflict";

export const EXIT_CODES: Readonly<Record<ExitName | "ok", number>> = {
  ok: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  policy: 4,
  integrity: 5,
  timeout: 6,
  conflict: 7,
};

export interface ErrorEntry {
  /** What happened and where; `{name}` is filled from `details`. */
  readonly message: string;
  readonly fault: Fault;
  /** True when the same request may succeed later without anybody changing anything. */
  readonly retry: boolean;
  /** What to do next, preferably a command; `{name}` is filled from `details`, as one word of a shell. */
  readonly remedy: string;
  /** The command of the remedy is to be typed where another node runs, which the flags just typed do not name. */
  readonly elsewhere?: true;
  readonly exit: ExitName;
}

export type ErrorDetails = { readonly [key: string]: Json | undefined };

export class VnesError extends Error {
  readonly code: string;
  readonly fault: Fault;
  readonly retry: boolean;
  readonly remedy: string;
  readonly elsewhere: boolean;
  readonly exit: ExitName;
  readonly details: ErrorDetails;

  constructor(code: string, entry: ErrorEntry, details: ErrorDetails = {}, cause?: unknown) {
    super(fill(entry.message, details), cause === undefined ? undefined : { cause });
    this.name = "VnesError";
    this.code = code;
    this.fault = entry.fault;
    this.retry = entry.retry;
    this.remedy = fill(entry.remedy, details, (text, name) =>
      SEVERAL_WORDS.has(name) ? text : shellWord(text),
    );
    this.elsewhere = entry.elsewhere === true;
    this.exit = entry.exit;
    this.details = details;
  }
}

export interface ErrorTable<Code extends string> {
  readonly entries: Readonly<Record<Code, ErrorEntry>>;
  /** Makes the error; the caller throws or returns it. */
  create(code: Code, details?: ErrorDetails, cause?: unknown): VnesError;
}

/** Declares a package's error table. A code belongs to one table only. */
export function defineErrors<const Code extends string>(
  entries: Readonly<Record<Code, ErrorEntry>>,
): ErrorTable<Code> {
  return {
    entries,
    create: (code, details, cause) => new VnesError(code, entries[code], details, cause),
  };
}

export function isVnesError(value: unknown): value is VnesError {
  return value instanceof VnesError;
}

/** Details that are more than one word already: the rest of a command. */
const SEVERAL_WORDS: ReadonlySet<string> = new Set(["flags", "next"]);

function fill(
  template: string,
  details: ErrorDetails,
  written: (text: string, name: string) => string = (text) => text,
): string {
  return template.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = details[name];
    if (value === undefined) return whole;
    return typeof value === "string" ? written(value, name) : JSON.stringify(value);
  });
}
