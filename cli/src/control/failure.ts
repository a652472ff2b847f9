/** An error on its way through the control socket: data on the wire, a `VnesError` at both ends. */
import { type ControlFailure, isVnesError, type Json, type JsonObject, VnesError } from "@vnes/schemas";
import { cliErrors } from "../errors.ts";

export function toFailure(error: unknown): ControlFailure {
  const known = isVnesError(error) ? error : unexpected(error);
  const { code, message, remedy, elsewhere, exit } = known;
  return {
    code,
    message,
    remedy,
    ...(elsewhere ? { elsewhere } : {}),
    exit,
    details: defined(known.details),
  };
}

/** The message is already filled in, so braces in it are text. */
export function fromFailure(failure: ControlFailure): VnesError {
  const { code, message, remedy, exit, details } = failure;
  const elsewhere = failure.elsewhere === true ? { elsewhere: true as const } : {};
  const entry = { message: "", remedy: "", ...elsewhere, fault: "user", retry: false, exit } as const;
  const error = new VnesError(code, entry, details);
  return Object.defineProperties(error, { message: { value: message }, remedy: { value: remedy } });
}

/** What the machine withholds from any program: no fault of this one. */
const REFUSALS: ReadonlySet<string> = new Set([
  "EACCES",
  "EPERM",
  "EROFS",
  "ENOSPC",
  "EDQUOT",
  "EMFILE",
  "ENFILE",
]);

export function unexpected(error: unknown): VnesError {
  if (error instanceof Error) {
    const { code: reason = "", syscall = "go on", path } = error as NodeJS.ErrnoException;
    const what = path === undefined ? syscall : `${syscall} ${path}`;
    if (REFUSALS.has(reason)) return cliErrors.create("CLI_SYSTEM_REFUSED", { what, reason }, error);
  }
  const problem = error instanceof Error ? error.message : String(error);
  return cliErrors.create("CLI_UNEXPECTED", { problem }, error);
}

function defined(details: VnesError["details"]): JsonObject {
  return Object.fromEntries(
    Object.entries(details).filter((entry): entry is [string, Json] => entry[1] !== undefined),
  );
}
