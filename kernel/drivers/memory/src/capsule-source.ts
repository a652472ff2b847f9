/** Capsule images handed over as values. */
import type { CapsuleCandidate, CapsuleImage, CapsuleSource } from "@vnes/kernel";

export interface NamedImage {
  readonly origin: string;
  readonly image: CapsuleImage;
}

export class MemoryCapsuleSource implements CapsuleSource {
  readonly #images: readonly NamedImage[];

  constructor(images: readonly NamedImage[]) {
    this.#images = images;
  }

  async candidates(): Promise<readonly CapsuleCandidate[]> {
    return this.#images.map(({ origin, image }) => ({ origin, read: async () => image }));
  }
}
