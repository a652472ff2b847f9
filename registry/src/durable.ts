/**
 * Writing so that a crash or a power cut leaves either the old or the new, never a part: into a temporary name, flushed,
 * renamed, and the directory that holds the name flushed too.
 */
import {
  closeSync,
  constants,
  fchmodSync,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { randomBytes } from "node:crypto";
import { dirname, join } from "node:path";
import { registryErrors } from "./errors.ts";
import { makePath, refusalToWrite } from "./writable.ts";

/** Starts the name of everything that is not finished; whoever finds one without holding the lock leaves it alone. */
export const TEMPORARY_PREFIX = ".tmp-";

function temporaryIn(dir: string): string {
  return join(dir, `${TEMPORARY_PREFIX}${process.pid}-${randomBytes(6).toString("hex")}`);
}

/** Replaces `file` whole; `mode` is what it has from its first moment on. */
export function replaceFile(file: string, bytes: Uint8Array | string, mode: number): void {
  const temporary = temporaryIn(dirname(file));
  try {
    writeNew(temporary, bytes, mode);
    renameSync(temporary, file);
    flushDirectory(dirname(file));
  } catch (cause) {
    rmSync(temporary, { force: true });
    throw writeFailed(file, cause);
  }
}

export interface TreeFile {
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly mode: number;
}

/** Makes `target` with exactly these files in one step. False when `target` was there before; then nothing changed. */
export function placeTree(target: string, files: readonly TreeFile[]): boolean {
  const temporary = temporaryIn(dirname(target));
  try {
    writeFiles(temporary, files);
    renameSync(temporary, target);
    flushDirectory(dirname(target));
    return true;
  } catch (cause) {
    rmSync(temporary, { recursive: true, force: true });
    const code = codeOf(cause);
    if (code === "ENOTEMPTY" || code === "EEXIST") return false;
    throw writeFailed(target, cause);
  }
}

/** Into a directory that counts for nothing yet; what was written of it stays when this throws. */
export function writeTree(dir: string, files: readonly TreeFile[]): void {
  try {
    writeFiles(dir, files);
  } catch (cause) {
    throw writeFailed(dir, cause);
  }
}

function writeFiles(dir: string, files: readonly TreeFile[]): void {
  makePath(dir, 0o700);
  const directories = new Set([dir]);
  for (const { path, bytes, mode } of files) {
    const file = join(dir, path);
    for (let up = dirname(file); !directories.has(up); up = dirname(up)) directories.add(up);
    makePath(dirname(file), 0o700);
    writeNew(file, bytes, mode);
  }
  for (const directory of directories) flushDirectory(directory);
}

export function makeDirectory(dir: string, mode: number): void {
  try {
    makePath(dir, mode);
  } catch (cause) {
    throw writeFailed(dir, cause);
  }
}

/** Fails when the file is there. */
export function writeNew(file: string, bytes: Uint8Array | string, mode: number): void {
  const data = typeof bytes === "string" ? Buffer.from(bytes) : bytes;
  // Never readable by others, not even for the moment before the mode is set.
  const descriptor = openSync(
    file,
    constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
    0o600,
  );
  try {
    for (let written = 0; written < data.length; ) {
      written += writeSync(descriptor, data, written, data.length - written);
    }
    fchmodSync(descriptor, mode);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

export function flushDirectory(dir: string): void {
  const descriptor = openSync(dir, constants.O_RDONLY);
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

export function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}

function writeFailed(file: string, cause: unknown): Error {
  const code = codeOf(cause);
  const reason = code === "ENOENT" ? (refusalToWrite(file) ?? code) : code;
  return registryErrors.create("REGISTRY_WRITE_FAILED", { file, reason }, cause);
}
