/** Capsule images handed over as values, and the one way to make such an image from texts. */
import { createHash } from "node:crypto";
import type { CapsuleCandidate, CapsuleImage, CapsuleSource, ImageFile } from "@vnes/kernel";
import type { Sha256 } from "@vnes/schemas";

export class MemoryCapsuleSource implements CapsuleSource {
  readonly #images: readonly CapsuleImage[];

  constructor(images: readonly CapsuleImage[]) {
    this.#images = images;
  }

  async candidates(): Promise<readonly CapsuleCandidate[]> {
    return this.#images.map((image) => ({ origin: `memory:${image.hash}`, read: async () => image }));
  }
}

/** An image of the files given, path to content. Its hash follows the tree hash: path, mode, size, sha256. */
export function memoryImage(contents: { readonly [path: string]: string | Uint8Array }): CapsuleImage {
  const files = Object.entries(contents).map(([path, content]): ImageFile => {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    return { path: path.normalize("NFC"), bytes, executable: false, sha256: sha256(bytes) };
  });
  files.sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
  const lines = files.map(
    (file) => `${file.path}\0${0}\0${file.bytes.length}\0${file.sha256.slice("sha256:".length)}\n`,
  );
  return { hash: sha256(new TextEncoder().encode(lines.join(""))), files };
}

function sha256(bytes: Uint8Array): Sha256 {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
