/**
 * A lock on a file that ends with the process that holds it, however it ends. What is in the file does not matter: it is
 * SQLite's lock on an empty database, because Node itself has no lock on files.
 */
import { DatabaseSync } from "node:sqlite";
import { storeFailure } from "./failure.ts";

/** Throws `LEDGER_IN_USE` when another process, or this one, holds it. */
export function lockFile(path: string): Disposable {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { timeout: 0 });
    db.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    db?.close();
    throw storeFailure(path, error);
  }
  const held = db;
  return { [Symbol.dispose]: () => held.close() };
}
