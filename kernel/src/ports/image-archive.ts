/**
 * The images that kept records refer to. A record names the image its turn ran by hash; as long as the record is kept,
 * so is the image, wherever it came from.
 *
 * 1. `put` is durable before it resolves. An image is there whole or not at all, and a damaged one is replaced.
 * 2. `get` gives back the bytes that were put, or rejects with `IMAGE_ARCHIVE_DAMAGED`: never others.
 */
import type { CapsuleImage } from "../admission/image.ts";

export interface ImageArchive {
  put(image: CapsuleImage): Promise<void>;
  /** Undefined for an image that was never put, or that was removed. */
  get(hash: string): Promise<CapsuleImage | undefined>;
  /** Hashes, sorted. */
  list(): Promise<readonly string[]>;
  /** Does nothing when it is not there. */
  remove(hash: string): Promise<void>;
}
