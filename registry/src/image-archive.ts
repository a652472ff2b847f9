/**
 * The archive of images in a directory of the node: one directory an image, named by its hash, placed in one step. What it
 * has not, the registry of the machine may have: a ledger can be older than the archive.
 */
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import type { CapsuleImage, ImageArchive } from "@vnes/kernel";
import { isVnesError, type Sha256 } from "@vnes/schemas";
import { makeDirectory, TEMPORARY_PREFIX } from "./durable.ts";
import { registryErrors } from "./errors.ts";
import { readImage } from "./image-reader.ts";
import { placeImage } from "./place-image.ts";

const NAME = /^[0-9a-f]{64}$/;

/** Part of `LocalRegistry`. */
export interface ImageShelf {
  has(hash: Sha256): boolean;
  readImage(hash: Sha256): Promise<CapsuleImage>;
}

/** One process at a time writes here: the node that holds the ledger beside it. */
export class DirectoryImageArchive implements ImageArchive {
  readonly dir: string;
  readonly #elsewhere: ImageShelf | undefined;

  constructor(dir: string, elsewhere?: ImageShelf) {
    this.dir = resolve(dir);
    this.#elsewhere = elsewhere;
  }

  async put(image: CapsuleImage): Promise<void> {
    makeDirectory(this.dir, 0o700);
    await placeImage(this.#path(image.hash), image, 0o400);
  }

  async get(hash: string): Promise<CapsuleImage | undefined> {
    if (!isHash(hash)) return undefined;
    if (!existsSync(this.#path(hash)))
      return this.#elsewhere?.has(hash) === true ? await this.#elsewhere.readImage(hash) : undefined;
    let image: CapsuleImage;
    try {
      image = await readImage(this.#path(hash));
    } catch (cause) {
      if (!isVnesError(cause)) throw cause;
      throw damaged(this.#path(hash), hash, `${cause.code}: ${cause.message}`, cause);
    }
    if (image.hash === hash) return image;
    throw damaged(this.#path(hash), hash, `its bytes give ${image.hash}`);
  }

  async list(): Promise<readonly string[]> {
    if (!existsSync(this.dir)) return [];
    return readdirSync(this.dir)
      .filter((name) => NAME.test(name))
      .sort()
      .map((name) => `sha256:${name}`);
  }

  async remove(hash: string): Promise<void> {
    if (isHash(hash)) rmSync(this.#path(hash), { recursive: true, force: true });
    // What a crash left half-written is nobody's.
    for (const name of existsSync(this.dir) ? readdirSync(this.dir) : []) {
      if (name.startsWith(TEMPORARY_PREFIX)) rmSync(join(this.dir, name), { recursive: true, force: true });
    }
  }

  #path(hash: string): string {
    return join(this.dir, hash.slice("sha256:".length));
  }
}

function isHash(hash: string): hash is Sha256 {
  return hash.startsWith("sha256:") && NAME.test(hash.slice("sha256:".length));
}

function damaged(path: string, image: string, problem: string, cause?: unknown): Error {
  return registryErrors.create("IMAGE_ARCHIVE_DAMAGED", { path, image, problem }, cause);
}
