/** An archive of images that lasts as long as its process. */
import type { CapsuleImage, ImageArchive } from "@vnes/kernel";

export class MemoryImageArchive implements ImageArchive {
  readonly #images = new Map<string, CapsuleImage>();

  async put(image: CapsuleImage): Promise<void> {
    this.#images.set(image.hash, image);
  }

  async get(hash: string): Promise<CapsuleImage | undefined> {
    return this.#images.get(hash);
  }

  async list(): Promise<readonly string[]> {
    return [...this.#images.keys()].sort();
  }

  async remove(hash: string): Promise<void> {
    this.#images.delete(hash);
  }
}
