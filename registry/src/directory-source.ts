/**
 * Capsules in a directory, such as `capsules/`: the directory itself when it is one, or else every one in it with a
 * manifest or a receipt, at most two levels down.
 */
import { type Dirent, existsSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import type { CapsuleCandidate, CapsuleSource } from "@vnes/kernel";
import { codeOf } from "./durable.ts";
import { registryErrors } from "./errors.ts";
import { IMAGE_FILES } from "./image-layout.ts";
import { readImage } from "./image-reader.ts";

/** `capsules/<area>/<name>` */
const LEVELS = 2;

export function directorySource(dir: string): CapsuleSource {
  return {
    async candidates() {
      return findCapsules(dir).map(
        ({ path, link }): CapsuleCandidate => ({
          origin: path,
          async read() {
            // A capsule is what lies here, not what somebody points to from here.
            if (link) throw registryErrors.create("IMAGE_LINK_REFUSED", { dir: path, file: "." });
            return await readImage(path);
          },
        }),
      );
    },
  };
}

/** Sorted by path. Rejects with `IMAGE_NOT_FOUND` when `dir` is not there. */
export function findCapsules(dir: string): readonly { readonly path: string; readonly link: boolean }[] {
  const found: { path: string; link: boolean }[] = [];
  const search = (at: string, levels: number): void => {
    for (const entry of listDirectory(at)) {
      if (entry.name.startsWith(".") || entry.name === "node_modules") continue;
      const path = join(at, entry.name);
      const link = entry.isSymbolicLink();
      if (!link && !entry.isDirectory()) continue;
      if (isCapsule(path)) found.push({ path, link });
      else if (!link && levels > 1) search(path, levels - 1);
    }
  };
  const root = resolve(dir);
  if (isCapsule(root)) return [{ path: root, link: false }];
  search(root, LEVELS);
  return found.sort((a, b) => (a.path < b.path ? -1 : 1));
}

function isCapsule(path: string): boolean {
  return [...IMAGE_FILES].some((name) => existsSync(join(path, name)));
}

function listDirectory(dir: string): Dirent[] {
  try {
    return readdirSync(dir, { withFileTypes: true });
  } catch (cause) {
    const code = codeOf(cause);
    if (code === "ENOENT" || code === "ENOTDIR")
      throw registryErrors.create("IMAGE_NOT_FOUND", { dir }, cause);
    throw registryErrors.create("IMAGE_UNREADABLE", { dir, file: ".", reason: code }, cause);
  }
}
