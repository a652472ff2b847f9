/**
 * Reads a capsule's directory once into an immutable image; nobody reads the disk again for it.
 *
 * 1. Nothing is followed: a directory is entered through its own descriptor, a file is opened with O_NOFOLLOW, and the
 *    descriptor, not the name, is asked what it is.
 * 2. A file or directory that changed between the first and the last look is refused, as is one that grew.
 * 3. Bounds are checked before bytes are read, names before anything is opened.
 */
import { closeSync, constants, existsSync, fstatSync, opendirSync, openSync, readSync } from "node:fs";
import type { BigIntStats } from "node:fs";
import { resolve } from "node:path";
import { setImmediate as yieldToLoop } from "node:timers/promises";
import { type CapsuleImage, type Digest, type ImageFile, treeHash } from "@vnes/kernel";
import type { VnesError } from "@vnes/schemas";
import { codeOf } from "./durable.ts";
import { registryErrors } from "./errors.ts";
import {
  BESIDE,
  IMAGE_BOUNDS,
  IMAGE_DIRECTORIES,
  IMAGE_FILES,
  type ImageBounds,
  LEFT_BEHIND,
} from "./image-layout.ts";
import { refusePaths } from "./image-paths.ts";
import { nodeDigest } from "./node-digest.ts";

/** So much is read and hashed before others in this process get their turn: about 2 ms. */
const BYTES_BETWEEN_YIELDS = 1024 * 1024;
/** Linux names an open directory here, which makes `openat` out of `open`. */
const DESCRIPTORS = "/proc/self/fd";
const hasDescriptors = existsSync(DESCRIPTORS);
const utf8 = new TextDecoder("utf-8", { fatal: true });

interface Reading {
  readonly root: string;
  readonly bounds: ImageBounds;
  readonly digest: Digest;
  readonly files: ImageFile[];
  entries: number;
  bytes: number;
  unyielded: number;
}

/** Rejects with an `IMAGE_*` error that names the file. */
export async function readImage(
  dir: string,
  bounds: ImageBounds = IMAGE_BOUNDS,
  digest: Digest = nodeDigest,
): Promise<CapsuleImage> {
  const root = resolve(dir);
  const reading: Reading = { root, bounds, digest, files: [], entries: 0, bytes: 0, unyielded: 0 };
  let descriptor: number;
  try {
    descriptor = openSync(root, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (cause) {
    const code = codeOf(cause);
    if (code === "ENOENT" || code === "ENOTDIR") {
      throw registryErrors.create("IMAGE_NOT_FOUND", { dir: root }, cause);
    }
    throw registryErrors.create("IMAGE_UNREADABLE", { dir: root, file: ".", reason: code }, cause);
  }
  await readDirectory(reading, descriptor, root, "", 0);
  reading.files.sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
  refusePaths(root, reading.files);
  return { hash: treeHash(reading.files.map(sized), digest), files: reading.files };
}

function sized(file: ImageFile): ImageFile & { readonly size: number } {
  return { ...file, size: file.bytes.length };
}

/** Owns `descriptor`. `path` is what to call the directory when the platform cannot name descriptors. */
async function readDirectory(
  reading: Reading,
  descriptor: number,
  path: string,
  prefix: string,
  depth: number,
): Promise<void> {
  try {
    const before = fstatSync(descriptor, { bigint: true });
    const base = hasDescriptors ? `${DESCRIPTORS}/${descriptor}` : path;
    const entries = list(reading, base, prefix);
    if (depth === 0) refuseStrangers(reading, entries);
    for (const { name, kind } of entries) {
      if (depth === 0 && BESIDE.has(name)) continue;
      if (depth > 0 && kind === "directory" && name === LEFT_BEHIND) continue;
      const file = prefix + name;
      if (kind === "link") throw refusal(reading, "IMAGE_LINK_REFUSED", file);
      if (kind === "directory") {
        if (depth >= reading.bounds.depth) {
          throw registryErrors.create("IMAGE_TOO_DEEP", {
            dir: reading.root,
            file,
            limit: reading.bounds.depth,
          });
        }
        const child = open(reading, `${base}/${name}`, file, constants.O_DIRECTORY);
        await readDirectory(reading, child, `${path}/${name}`, `${file}/`, depth + 1);
      } else if (kind === "file") {
        readFile(reading, open(reading, `${base}/${name}`, file, constants.O_NONBLOCK), file);
        if (reading.unyielded >= BYTES_BETWEEN_YIELDS) {
          reading.unyielded = 0;
          await yieldToLoop();
        }
      } else {
        throw registryErrors.create("IMAGE_SPECIAL_FILE_REFUSED", { dir: reading.root, file, kind });
      }
    }
    if (changed(before, fstatSync(descriptor, { bigint: true }))) {
      throw refusal(reading, "IMAGE_CHANGED_WHILE_READ", prefix === "" ? "." : prefix);
    }
  } finally {
    closeSync(descriptor);
  }
}

type Kind = "file" | "directory" | "link" | "device" | "fifo" | "socket" | "special file";

function list(reading: Reading, base: string, prefix: string): { name: string; kind: Kind }[] {
  const entries: { name: string; kind: Kind }[] = [];
  let directory: ReturnType<typeof opendirSync>;
  try {
    // The types know the string form only; names arrive as the buffers that were asked for.
    directory = opendirSync(base, { encoding: "buffer" as BufferEncoding, bufferSize: 128 });
  } catch (cause) {
    throw unreadable(reading, prefix === "" ? "." : prefix, cause);
  }
  try {
    for (let entry = directory.readSync(); entry !== null; entry = directory.readSync()) {
      reading.entries += 1;
      if (reading.entries > reading.bounds.files) {
        throw registryErrors.create("IMAGE_TOO_MANY_FILES", {
          dir: reading.root,
          file: prefix === "" ? "." : prefix,
          limit: reading.bounds.files,
        });
      }
      entries.push({ name: nameOf(reading, prefix, entry.name as unknown as Buffer), kind: kindOf(entry) });
    }
  } finally {
    directory.closeSync();
  }
  return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function nameOf(reading: Reading, prefix: string, raw: Buffer): string {
  try {
    return utf8.decode(raw);
  } catch (cause) {
    const file = prefix + raw.toString("latin1");
    throw registryErrors.create("IMAGE_NAME_NOT_UTF8", { dir: reading.root, file }, cause);
  }
}

function kindOf(entry: {
  isFile(): boolean;
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
  isFIFO(): boolean;
  isSocket(): boolean;
  isBlockDevice(): boolean;
  isCharacterDevice(): boolean;
}): Kind {
  if (entry.isFile()) return "file";
  if (entry.isDirectory()) return "directory";
  if (entry.isSymbolicLink()) return "link";
  if (entry.isFIFO()) return "fifo";
  if (entry.isSocket()) return "socket";
  return entry.isBlockDevice() || entry.isCharacterDevice() ? "device" : "special file";
}

/** Before anything is opened: a wrong directory, such as a home, is recognised by its names alone. */
function refuseStrangers(reading: Reading, entries: readonly { name: string; kind: Kind }[]): void {
  for (const { name, kind } of entries) {
    if (BESIDE.has(name) || (IMAGE_DIRECTORIES.has(name) && kind !== "file")) continue;
    if (IMAGE_FILES.has(name) && kind !== "directory") continue;
    throw refusal(reading, "IMAGE_ENTRY_UNKNOWN", name);
  }
}

function open(reading: Reading, path: string, file: string, flag: number): number {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | flag);
  } catch (cause) {
    const code = codeOf(cause);
    if (code === "ELOOP" || code === "EMLINK") throw refusal(reading, "IMAGE_LINK_REFUSED", file, cause);
    // It was there, and of that kind, a moment ago.
    if (code === "ENOENT" || code === "ENOTDIR" || code === "ENXIO") {
      throw refusal(reading, "IMAGE_CHANGED_WHILE_READ", file, cause);
    }
    throw unreadable(reading, file, cause);
  }
}

/** Owns `descriptor`. */
function readFile(reading: Reading, descriptor: number, file: string): void {
  try {
    const before = fstatSync(descriptor, { bigint: true });
    if (!before.isFile()) throw refusal(reading, "IMAGE_CHANGED_WHILE_READ", file);
    const { root, bounds, digest } = reading;
    if (before.size > BigInt(bounds.fileBytes)) {
      const bytes = before.size.toString();
      throw registryErrors.create("IMAGE_FILE_TOO_LARGE", {
        dir: root,
        file,
        bytes,
        limit: bounds.fileBytes,
      });
    }
    const size = Number(before.size);
    reading.bytes += size;
    reading.unyielded += size;
    if (reading.bytes > bounds.totalBytes) {
      throw registryErrors.create("IMAGE_TOO_LARGE", { dir: root, file, limit: bounds.totalBytes });
    }
    const bytes = readWhole(reading, descriptor, file, size);
    if (bytes === null || changed(before, fstatSync(descriptor, { bigint: true }))) {
      throw refusal(reading, "IMAGE_CHANGED_WHILE_READ", file);
    }
    const sha256 = `sha256:${Buffer.from(digest.sha256(bytes)).toString("hex")}` as const;
    reading.files.push({ path: file, bytes, executable: (before.mode & 0o100n) !== 0n, sha256 });
  } finally {
    closeSync(descriptor);
  }
}

/** Null when there were fewer or more bytes than promised. */
function readWhole(reading: Reading, descriptor: number, file: string, size: number): Buffer | null {
  // One more than promised shows a file that grew, in the read that sees its end.
  const bytes = Buffer.allocUnsafeSlow(size + 1);
  let filled = 0;
  try {
    while (filled <= size) {
      const count = readSync(descriptor, bytes, filled, size + 1 - filled, null);
      if (count === 0) break;
      filled += count;
    }
  } catch (cause) {
    throw unreadable(reading, file, cause);
  }
  return filled === size ? bytes.subarray(0, size) : null;
}

function changed(a: BigIntStats, b: BigIntStats): boolean {
  return (
    a.ino !== b.ino ||
    a.dev !== b.dev ||
    a.size !== b.size ||
    a.mode !== b.mode ||
    a.mtimeNs !== b.mtimeNs ||
    a.ctimeNs !== b.ctimeNs
  );
}

function refusal(
  reading: Reading,
  code: "IMAGE_LINK_REFUSED" | "IMAGE_CHANGED_WHILE_READ" | "IMAGE_ENTRY_UNKNOWN",
  file: string,
  cause?: unknown,
): VnesError {
  return registryErrors.create(code, { dir: reading.root, file }, cause);
}

function unreadable(reading: Reading, file: string, cause: unknown): VnesError {
  return registryErrors.create("IMAGE_UNREADABLE", { dir: reading.root, file, reason: codeOf(cause) }, cause);
}
