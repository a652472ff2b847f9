/** A moment in a shard's history as people write it: the number of a record, or a time. */
import { cliErrors } from "./errors.ts";

export function parseMoment(text: string): { readonly seq: number } | { readonly at: number } {
  if (/^\d{1,15}$/.test(text)) return { seq: Number(text) };
  const at = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isSafeInteger(at) && at >= 0) return { at };
  const problem = `${text} is neither the number of a record nor a time such as 2026-05-01T12:00:00Z`;
  throw cliErrors.create("CLI_USAGE", { problem, next: "vnes state at --help" });
}
