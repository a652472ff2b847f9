/**
 * One writer at a time in a directory, across processes. The lock is SQLite's own on an empty database file: the
 * operating system lets go of it when its holder dies, so there is no stale lock to guess about.
 */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { makeDirectory } from "./durable.ts";
import { registryErrors } from "./errors.ts";

/** Longer than the slowest thing done under it, a first build of every built-in capsule on a loaded machine. */
const LOCK_WAIT_MS = 30_000;
const LOCK_POLL_MS = 10;
const SQLITE_BUSY = 5;
const LOCK_FILE = "lock";

/** Rejects with `REGISTRY_BUSY` when the lock is not free in time. */
export async function withLock<T>(
  dir: string,
  work: () => Promise<T>,
  waitMs: number = LOCK_WAIT_MS,
): Promise<T> {
  makeDirectory(dir, 0o700);
  const file = join(dir, LOCK_FILE);
  const database = openLock(file);
  try {
    const giveUpAt = performance.now() + waitMs;
    while (!tryLock(database)) {
      if (performance.now() >= giveUpAt) {
        throw registryErrors.create("REGISTRY_BUSY", { file, seconds: waitMs / 1000 });
      }
      await sleep(LOCK_POLL_MS);
    }
    return await work();
  } finally {
    database.close();
  }
}

function tryLock(database: DatabaseSync): boolean {
  try {
    database.exec("PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE");
    return true;
  } catch (error) {
    if (error instanceof Error && "errcode" in error && error.errcode === SQLITE_BUSY) return false;
    throw unusable(database.location() ?? LOCK_FILE, error);
  }
}

function openLock(file: string): DatabaseSync {
  try {
    return new DatabaseSync(file);
  } catch (error) {
    throw unusable(file, error);
  }
}

function unusable(file: string, error: unknown): Error {
  const reason = error instanceof Error ? error.message : String(error);
  return registryErrors.create("REGISTRY_WRITE_FAILED", { file, reason }, error);
}
