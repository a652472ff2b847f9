/** Capsule images handed over as values. */
import type { CapsuleCandidate, CapsuleImage, CapsuleSource } from "@vnes/kernel";

export class MemoryCapsuleSource implements CapsuleSource {
  readonly #images: readonly CapsuleImage[];

  constructor(images: readonly CapsuleImage[]) {
    this.#images = images;
  }

  async candidates(): Promise<readonly CapsuleCandidate[]> {
    return this.#images.map((image) => ({ origin: `memory:${image.hash}`, read: async () => image }));
  }
}
