/**
 * The registry on this machine: images by their hash, and an index of what is installed.
 *
 * 1. Only a verified image is installed, and from memory: what is stored is what was judged.
 * 2. An image is complete or absent, the index names only images that are there: image first, then index, each by one
 *    rename. A process that dies between leaves an image nobody names and a temporary directory the next writer removes.
 * 3. Images are never changed or removed: ledgers refer to them.
 * 4. An image read back must have the hash it is filed under.
 */
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { type CapsuleCandidate, type CapsuleImage, type CapsuleSource, imageFile } from "@vnes/kernel";
import { isVnesError, type Manifest, parseReceipt, type Sha256 } from "@vnes/schemas";
import { manifestOf } from "./build.ts";
import { makeDirectory, TEMPORARY_PREFIX } from "./durable.ts";
import { registryErrors } from "./errors.ts";
import { RECEIPT_FILE } from "./image-layout.ts";
import { readImage } from "./image-reader.ts";
import { withLock } from "./lock.ts";
import { isWholeImage, placeImage } from "./place-image.ts";
import {
  currentOf,
  type InstalledVersion,
  readIndex,
  versionsOf,
  withInstalled,
  withRemoved,
  writeIndex,
} from "./registry-index.ts";
import type { Verified } from "./verify.ts";
import { compareVersions } from "./version-order.ts";

export interface InstallOptions {
  readonly allowDowngrade?: boolean;
  /** The same version with other content takes the place of the one that is there. */
  readonly replace?: boolean;
  readonly now?: Date;
}

export interface Installation extends InstalledVersion {
  readonly id: string;
  /** False when exactly this image was current already. */
  readonly changed: boolean;
}

export class LocalRegistry implements CapsuleSource {
  readonly dir: string;
  readonly #images: string;
  readonly #index: string;

  constructor(dir: string) {
    this.dir = resolve(dir);
    this.#images = join(this.dir, "images");
    this.#index = join(this.dir, "index.json");
  }

  /** Rejects with `REGISTRY_NOT_VERIFIED`, `_VERSION_TAKEN`, `_DOWNGRADE_REFUSED`, `_BUSY` or `_WRITE_FAILED`. */
  async install(verified: Verified, options: InstallOptions = {}): Promise<Installation> {
    const { image, manifest, verdict, origin } = verified;
    if (verdict.kind !== "verified" || manifest === null) {
      const reasons =
        verdict.kind === "verified" ? "no manifest" : verdict.reasons.map(({ code }) => code).join(", ");
      throw registryErrors.create("REGISTRY_NOT_VERIFIED", { image: image.hash, origin, reasons });
    }
    return await withLock(this.dir, async () => {
      this.#removeLeftovers();
      const index = readIndex(this.#index);
      const current = currentOf(index, manifest.id);
      if (current?.image === image.hash && (await isWholeImage(this.#path(image.hash), image.hash))) {
        return { ...current, id: manifest.id, changed: false };
      }
      refuseConflict(manifest, image.hash, versionsOf(index, manifest.id), current, origin, options);
      makeDirectory(this.#images, 0o755);
      await placeImage(this.#path(image.hash), image, 0o444);
      const added: InstalledVersion = {
        version: manifest.version,
        image: image.hash,
        state: "current",
        installed_at: (options.now ?? new Date()).toISOString(),
        origin,
      };
      writeIndex(this.#index, withInstalled(index, manifest.id, added));
      return { ...added, id: manifest.id, changed: true };
    });
  }

  /** Nodes that boot from here leave `id` out from then on. Rejects with `REGISTRY_CAPSULE_UNKNOWN`, `_BUSY` or `_WRITE_FAILED`. */
  async uninstall(id: string): Promise<InstalledVersion> {
    return await withLock(this.dir, () => {
      const index = readIndex(this.#index);
      const current = currentOf(index, id);
      if (current === undefined) throw registryErrors.create("REGISTRY_CAPSULE_UNKNOWN", { id });
      writeIndex(this.#index, withRemoved(index, id));
      return Promise.resolve(current);
    });
  }

  /** Everything installed, by id and then in the order of installation. */
  async list(): Promise<readonly (InstalledVersion & { readonly id: string })[]> {
    const { capsules } = readIndex(this.#index);
    return Object.keys(capsules)
      .sort()
      .flatMap((id) => (capsules[id] ?? []).map((one) => ({ id, ...one })));
  }

  async current(id: string): Promise<InstalledVersion | null> {
    return currentOf(readIndex(this.#index), id) ?? null;
  }

  /** Of the current version: what an upgrade is compared with. Null when `id` is not installed. */
  async manifest(id: string): Promise<Manifest | null> {
    const current = await this.current(id);
    if (current === null) return null;
    return manifestOf(await this.readImage(current.image, current.origin), current.origin);
  }

  /** The current version of each capsule. */
  async candidates(): Promise<readonly CapsuleCandidate[]> {
    const all = await this.list();
    return all
      .filter(({ state }) => state === "current")
      .map(({ id, version, image, origin }) => ({
        origin: `registry:${image}`,
        keptAs: { id, version },
        read: () => this.readImage(image, origin),
      }));
  }

  /** Rejects with `IMAGE_HASH_MISMATCH` when the disk gives back anything but what was installed. */
  async readImage(hash: Sha256, origin: string = "<dir>"): Promise<CapsuleImage> {
    let image: CapsuleImage;
    try {
      image = await readImage(this.#path(hash));
    } catch (cause) {
      if (!isVnesError(cause)) throw cause;
      const file = cause.details["file"];
      const files = `${typeof file === "string" ? file : "."}: ${cause.code}`;
      throw registryErrors.create("IMAGE_HASH_MISMATCH", { image: hash, files, origin }, cause);
    }
    if (image.hash === hash) return image;
    throw registryErrors.create("IMAGE_HASH_MISMATCH", { image: hash, files: differences(image), origin });
  }

  /** Whether an image directory of that name is there; reading it says whether it is whole. */
  has(hash: Sha256): boolean {
    return existsSync(this.#path(hash));
  }

  /** Called under the lock: whoever made these is dead. */
  #removeLeftovers(): void {
    for (const dir of [this.dir, this.#images]) {
      if (!existsSync(dir)) continue;
      for (const name of readdirSync(dir)) {
        if (name.startsWith(TEMPORARY_PREFIX)) rmSync(join(dir, name), { recursive: true, force: true });
      }
    }
  }

  #path(hash: Sha256): string {
    return join(this.#images, hash.slice("sha256:".length));
  }
}

function refuseConflict(
  { id, version }: Manifest,
  image: Sha256,
  versions: readonly InstalledVersion[],
  current: InstalledVersion | undefined,
  origin: string,
  { allowDowngrade = false, replace = false }: InstallOptions,
): void {
  const taken = versions.find(
    (one) =>
      one.version === version && one.image !== image && one.state !== "replaced" && one.state !== "removed",
  );
  if (taken !== undefined && !replace) {
    throw registryErrors.create("REGISTRY_VERSION_TAKEN", { id, version, image: taken.image, origin });
  }
  if (current !== undefined && compareVersions(version, current.version) < 0 && !allowDowngrade) {
    throw registryErrors.create("REGISTRY_DOWNGRADE_REFUSED", {
      id,
      version,
      current: current.version,
      origin,
    });
  }
}

/** Names the files that are not what the receipt beside them says. */
function differences(image: CapsuleImage): string {
  const file = imageFile(image, RECEIPT_FILE);
  const parsed = file === undefined ? null : parseReceipt(file.bytes);
  if (parsed === null || !parsed.ok) return `${RECEIPT_FILE} differs`;
  const said = parsed.value.files;
  const names = new Set([...Object.keys(said), ...image.files.map(({ path }) => path)]);
  names.delete(RECEIPT_FILE);
  const different = [...names].filter((path) => said[path] !== imageFile(image, path)?.sha256).sort();
  return different.length === 0 ? `${RECEIPT_FILE} differs` : `${different.join(", ")} differs`;
}
