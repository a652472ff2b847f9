/**
 * A ledger file that no node uses, opened to be looked at: nothing of it is changed. A file whose process was killed has
 * commits in its write-ahead log; those can only be read by writing, so then a copy in a directory of its own is read.
 */
import {
  closeSync,
  constants,
  copyFileSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { ledgerErrors, type LedgerStore } from "@vnes/kernel";
import { type ChunkContent, unpackChunk } from "./chunk-row.ts";
import { isEarlier, openDatabase, refuseBrokenFiles, refuseForeignFile } from "./database.ts";
import { storeFailure } from "./failure.ts";
import { SqliteLedgerStore } from "./ledger-store.ts";
import { lockHolder } from "./lock-holder.ts";
import { NO_LOG } from "./log-sync.ts";

/** What SQLite itself finds wrong with a file; more of it says nothing more. */
const MAX_FOUND = 20;

export interface ClosedLedger {
  readonly store: LedgerStore;
  /** What is wrong with the file as a database, before any record is looked at; empty for a whole file. */
  readonly problems: readonly string[];
  [Symbol.asyncDispose](): Promise<void>;
}

/** Rejects with `LEDGER_IN_USE`, `LEDGER_FILE_CORRUPT`, `LEDGER_FORMAT_UNKNOWN` or `LEDGER_IO_FAILED`. */
export async function openClosedLedger(file: string): Promise<ClosedLedger> {
  const path = resolve(file);
  let copy: string | undefined;
  let db: DatabaseSync | undefined;
  const leave = (): void => {
    db?.close();
    if (copy !== undefined) rmSync(copy, { recursive: true, force: true });
  };
  try {
    refuseUsed(path);
    if (isWhole(path)) {
      db = openUnchanged(path);
    } else {
      copy = mkdtempSync(join(tmpdir(), "vnes-ledger-"));
      db = openDatabase(copyTo(copy, path));
    }
    const problems = problemsOf(db);
    const store = new SqliteLedgerStore(path, db, NO_LOG);
    return {
      store,
      problems,
      async [Symbol.asyncDispose](): Promise<void> {
        await store[Symbol.asyncDispose]();
        db = undefined;
        leave();
      },
    };
  } catch (error) {
    leave();
    throw told(path, copy, error);
  }
}

/** A node holds its file locked for as long as it runs. */
function refuseUsed(path: string): void {
  const pid = lockHolder(path);
  if (pid === undefined) return;
  throw ledgerErrors.create("LEDGER_IN_USE", { path, pid, owner: `the node that runs on it (pid ${pid})` });
}

/** True when the file alone is the ledger: nothing waits in a log, and it needs no bringing up to date. */
function isWhole(path: string): boolean {
  const log = statSync(`${path}-wal`, { throwIfNoEntry: false });
  return (log?.size ?? 0) === 0 && !isEarlier(readUserVersion(path));
}

/** Offset 60 of the file's header, sqlite.org/fileformat2.html#user_version_number. */
function readUserVersion(path: string): number {
  const fd = openSync(path, "r");
  try {
    const bytes = Buffer.alloc(4);
    readSync(fd, bytes, 0, 4, 60);
    return bytes.readUInt32BE(0);
  } finally {
    closeSync(fd);
  }
}

function openUnchanged(path: string): DatabaseSync {
  const address = pathToFileURL(path);
  // Nothing is locked, and no log or index is made beside it.
  address.search = "?immutable=1";
  const db = new DatabaseSync(address, { readOnly: true });
  try {
    refuseForeignFile(db, path);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function copyTo(directory: string, path: string): string {
  refuseBrokenFiles(path, "look");
  const copy = join(directory, "ledger.sqlite");
  for (const end of ["", "-wal"]) {
    if (statSync(`${path}${end}`, { throwIfNoEntry: false }) !== undefined)
      copyFileSync(`${path}${end}`, `${copy}${end}`, constants.COPYFILE_FICLONE);
  }
  return copy;
}

function problemsOf(db: DatabaseSync): readonly string[] {
  const rows = db.prepare(`PRAGMA integrity_check(${MAX_FOUND})`).all();
  const found = rows.map((row) => String(Object.values(row)[0])).filter((text) => text !== "ok");
  const chunks = db.prepare("SELECT shard, name, plain, crc, bytes FROM chunk").iterate();
  return [...found, ...firstProblems(db), ...chunkProblems(chunks as Iterable<ChunkRow>)];
}

/** A shard's oldest row holds the record `first` names: what was trimmed and what went missing must not be mixed up. */
function firstProblems(db: DatabaseSync): readonly string[] {
  const rows = db
    .prepare(
      `SELECT name, first, seq - length(hash) / 32 + 1 AS oldest FROM shard JOIN record ON record.shard = shard.no
        WHERE seq = (SELECT min(seq) FROM record WHERE record.shard = shard.no) AND NOT first BETWEEN oldest AND seq`,
    )
    .all() as { readonly name: string; readonly first: number; readonly oldest: number }[];
  return rows.map(({ name, first, oldest }) => `shard ${name} begins at record ${oldest}, not at ${first}`);
}

interface ChunkRow extends ChunkContent {
  readonly shard: string;
  readonly name: string;
}

function chunkProblems(rows: Iterable<ChunkRow>): readonly string[] {
  const problems: string[] = [];
  for (const { shard, name, ...content } of rows) {
    if (unpackChunk(shard, name, content) === undefined)
      problems.push(`the bytes of chunk ${name} of shard ${shard} changed`);
  }
  return problems;
}

/** A file that SQLite cannot make sense of is damaged, however SQLite says so. */
function told(path: string, copy: string | undefined, error: unknown): Error {
  const failure = storeFailure(path, error);
  if (failure.code !== "LEDGER_IO_FAILED" || isMissing(error)) return failure;
  const problem = failure.message.replaceAll(copy ?? path, path);
  return ledgerErrors.create("LEDGER_FILE_CORRUPT", { path, where: "", problem }, error);
}

function isMissing(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return typeof code === "string" && /^E[A-Z]+$/.test(code) && code !== "ERR_SQLITE_ERROR";
}
