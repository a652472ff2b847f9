/** Turns what SQLite says into what a ledger store may say. */
import { ledgerErrors } from "@vnes/kernel";
import { isVnesError, type VnesError } from "@vnes/schemas";
import { lockHolder } from "./lock-holder.ts";

/** Result codes, sqlite.org/rescode.html. The low byte is the primary code; the rest says more about it. */
const SQLITE_ERROR = 1;
const SQLITE_BUSY = 5;
const SQLITE_LOCKED = 6;
const SQLITE_IOERR = 10;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_NOTADB = 26;
/** A read that found the file shorter than it says it is. */
const SQLITE_IOERR_SHORT_READ = SQLITE_IOERR | (2 << 8);

export function storeFailure(path: string, error: unknown, where = ""): VnesError {
  if (isVnesError(error)) return error;
  const code = sqliteCode(error);
  const problem = error instanceof Error ? error.message : String(error);
  if (code === SQLITE_IOERR_SHORT_READ)
    return ledgerErrors.create("LEDGER_FILE_CORRUPT", { path, where, problem }, error);
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return inUse(path, error);
    case SQLITE_FULL:
      return ledgerErrors.create("LEDGER_DISK_FULL", { path }, error);
    // The statements are the same for every ledger: where one makes no sense, the schema in the file is not what it was.
    case SQLITE_ERROR:
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return ledgerErrors.create("LEDGER_FILE_CORRUPT", { path, where, problem }, error);
    default:
      return ledgerErrors.create("LEDGER_IO_FAILED", { path, problem }, error);
  }
}

function inUse(path: string, error: unknown): VnesError {
  const pid = lockHolder(path) ?? "unknown";
  return ledgerErrors.create("LEDGER_IN_USE", { path, pid, owner: `another process (pid ${pid})` }, error);
}

function sqliteCode(error: unknown): number {
  const code = (error as { readonly errcode?: unknown }).errcode;
  return typeof code === "number" ? code : 0;
}
