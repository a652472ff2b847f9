/**
 * The file: opening it, what is in it, and what is refused.
 *
 * Tables (schema version 5):
 *   shard(no INTEGER PRIMARY KEY, name TEXT UNIQUE, first, snapshot)
 *   record(id INTEGER PRIMARY KEY, shard, seq, hash, crc, bytes), unique (shard, seq)
 *   chunk(id INTEGER PRIMARY KEY, shard, name, crc, bytes, plain), unique (shard, name)
 * `first` is the oldest record a shard must have: what was trimmed and what is missing are told apart by it.
 * `id` rises with every append, so commits write at one end of the table whichever shards they hold. A row holds one
 * record, or several that were committed together; what stands in it is said in `record-row.ts`.
 * What stands in a row of a chunk is said in `chunk-row.ts`.
 * A file of version 1 (without `first`, `snapshot` and chunks), 2 (one record in every row), 3 (runs of at most 128 KiB) or 4
 * (chunks as they are, no `plain`) is brought up to date in the transaction that opens it. The rows it has stay as they are: what was a row
 * is one in every later version.
 */
import { closeSync, existsSync, fsyncSync, openSync, statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { ledgerErrors } from "@vnes/kernel";
import { findWalDamage } from "./wal-check.ts";

/** "VNES". */
const APPLICATION_ID = 0x564e4553;
const SCHEMA_VERSION = 5;
const KNOWN_VERSIONS: ReadonlySet<number> = new Set([1, 2, 3, 4, SCHEMA_VERSION]);
/** Pages in the log before they are copied into the file: 2 MB, a pause below 10 ms. 16 MB is no faster and pauses 45. */
const CHECKPOINT_PAGES = 500;
/** The log is cut back to this after it had to grow further. */
const WAL_LIMIT_BYTES = 64 * 1024 * 1024;

const TO_VERSION_2 = `
  ALTER TABLE shard ADD COLUMN first INTEGER NOT NULL DEFAULT 1;
  ALTER TABLE shard ADD COLUMN snapshot INTEGER NOT NULL DEFAULT 0;
  CREATE TABLE chunk (
    id INTEGER PRIMARY KEY, shard TEXT NOT NULL, name TEXT NOT NULL,
    crc INTEGER NOT NULL, bytes BLOB NOT NULL, UNIQUE (shard, name)
  ) STRICT`;

const TO_VERSION_5 = "ALTER TABLE chunk ADD COLUMN plain INTEGER NOT NULL DEFAULT 0";

/** Takes the file for this process alone; whoever comes second is refused at once. */
export function openDatabase(path: string): DatabaseSync {
  const existed = refuseBrokenFiles(path);
  const db = new DatabaseSync(path, { timeout: 0 });
  try {
    // EXCLUSIVE before WAL keeps the index of the log in this process's memory and the lock until the process ends.
    db.exec("PRAGMA locking_mode = EXCLUSIVE");
    db.exec("PRAGMA journal_mode = WAL");
    db.exec("PRAGMA synchronous = FULL");
    db.exec(`PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
    db.exec(`PRAGMA journal_size_limit = ${WAL_LIMIT_BYTES}`);
    db.exec("BEGIN IMMEDIATE");
    prepareSchema(db, path, existed);
    db.exec("COMMIT");
    // From now on whoever commits sees to it (`group-commit.ts`).
    db.exec("PRAGMA synchronous = NORMAL");
    if (existed) assertShardTable(db, path);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** The table of shards is small and everything leans on it; records are checked as they are read. */
function assertShardTable(db: DatabaseSync, path: string): void {
  const [first] = db.prepare("PRAGMA integrity_check(shard)").all();
  const found = Object.values(first ?? {})[0];
  if (found !== "ok") throw corrupt(path, `the table of shards: ${String(found)}`);
}

/** True when there was a file with something in it. `look`: the files are somebody's evidence, and nothing is written. */
export function refuseBrokenFiles(path: string, how: "open" | "look" = "open"): boolean {
  const wal = `${path}-wal`;
  const bytes = existsSync(path) ? statSync(path).size : 0;
  if (bytes === 0 && existsSync(wal) && statSync(wal).size > 0) {
    // SQLite would delete the log as a leftover of another file.
    throw corrupt(path, "the file itself is missing or empty, its write-ahead log is not");
  }
  if (how === "open") syncLog(wal);
  const damage = findWalDamage(wal);
  if (damage !== undefined) {
    throw corrupt(
      wal,
      `frame ${damage.frame} is damaged, and at least ${damage.commits} commits stand behind it`,
    );
  }
  return bytes > 0;
}

/**
 * A process that was killed may have left commits in the page cache only. Nobody was told of them, but they will be read
 * now and acted upon: they must be on the disk first.
 */
function syncLog(wal: string): void {
  if (!existsSync(wal)) return;
  const fd = openSync(wal, "r+");
  fsyncSync(fd);
  closeSync(fd);
}

function prepareSchema(db: DatabaseSync, path: string, existed: boolean): void {
  const applicationId = pragma(db, "application_id");
  const version = pragma(db, "user_version");
  if (!existed || (applicationId === 0 && version === 0 && isEmpty(db))) {
    db.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${SCHEMA_VERSION}`);
    db.exec(`CREATE TABLE shard (no INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
      CREATE TABLE record (
        id INTEGER PRIMARY KEY, shard INTEGER NOT NULL, seq INTEGER NOT NULL,
        hash BLOB NOT NULL, crc INTEGER NOT NULL, bytes BLOB NOT NULL, UNIQUE (shard, seq)
      ) STRICT`);
    db.exec(TO_VERSION_2);
    db.exec(TO_VERSION_5);
    return;
  }
  refuseForeignFile(db, path);
  if (version === 1) db.exec(TO_VERSION_2);
  if (version === SCHEMA_VERSION) return;
  db.exec(TO_VERSION_5);
  // From now on an older program must not touch it: it would take a run for one record, a large one or a packed chunk for damage.
  db.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`);
}

/** A version that is brought up to date when its file is opened. */
export function isEarlier(version: number): boolean {
  return KNOWN_VERSIONS.has(version) && version !== SCHEMA_VERSION;
}

/** Throws unless it is a ledger of a version this program knows, as long as its header says. */
export function refuseForeignFile(db: DatabaseSync, path: string): void {
  const version = pragma(db, "user_version");
  if (pragma(db, "application_id") !== APPLICATION_ID) {
    throw ledgerErrors.create("LEDGER_FORMAT_UNKNOWN", {
      path,
      problem: "it is a database of another program",
    });
  }
  if (!KNOWN_VERSIONS.has(version)) {
    const problem = `its schema version is ${version}, this program knows ${SCHEMA_VERSION}`;
    throw ledgerErrors.create("LEDGER_FORMAT_UNKNOWN", { path, problem });
  }
  const expected = pragma(db, "page_count") * pragma(db, "page_size");
  const wal = `${path}-wal`;
  const actual = statSync(path).size;
  if (actual < expected && !(existsSync(wal) && statSync(wal).size > 0)) {
    throw corrupt(path, `it has ${actual} bytes and should have ${expected}`);
  }
}

function isEmpty(db: DatabaseSync): boolean {
  return db.prepare("SELECT 1 FROM sqlite_schema LIMIT 1").get() === undefined;
}

function pragma(db: DatabaseSync, name: string): number {
  const row = db.prepare(`PRAGMA ${name}`).get() ?? {};
  return Number(Object.values(row)[0]);
}

function corrupt(path: string, problem: string): Error {
  return ledgerErrors.create("LEDGER_FILE_CORRUPT", { path, where: "", problem });
}
