/**
 * Who has a data directory: the id by which a shared ledger knows its owner again after a restart. The file remembers
 * which file it is, so that a copy of the directory is somebody else and waits for the lease like anybody.
 */
import { randomBytes } from "node:crypto";
import { readFileSync, statSync, writeFileSync } from "node:fs";

/** Made at the first boot; the caller holds the directory's lock. */
export function instanceOf(path: string): string {
  const [instance, inode] = linesOf(path);
  if (instance === undefined) return make(path);
  // Of a boot that was cut off, or of a version that did not say.
  if (inode === undefined) write(path, instance);
  else if (inode !== inodeOf(path)) return make(path);
  return instance;
}

function make(path: string): string {
  const instance = randomBytes(16).toString("hex");
  write(path, instance);
  return instance;
}

/** In place: a file that replaced it would be another one. */
function write(path: string, instance: string): void {
  writeFileSync(path, `${instance}\n`, { mode: 0o600, flush: true });
  writeFileSync(path, `${inodeOf(path)}\n`, { flag: "a", flush: true });
}

function inodeOf(path: string): string {
  return `inode ${statSync(path, { bigint: true }).ino}`;
}

function linesOf(path: string): (string | undefined)[] {
  try {
    return readFileSync(path, "utf8")
      .split("\n")
      .filter((line) => line !== "");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return [];
  }
}
