/**
 * A capsule directory, read once. Whatever judges a capsule and whatever runs it works on this value; the disk is not
 * asked again (idea 1 of the architecture).
 */
import type { Sha256 } from "@vnes/schemas";

export interface ImageFile {
  /** NFC, `/`-separated, relative, no `.` or `..`. */
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly executable: boolean;
  readonly sha256: Sha256;
}

export interface CapsuleImage {
  /** Tree hash over every file, the receipt included: the image's name in the registry and in activation records. */
  readonly hash: Sha256;
  /** Sorted by the UTF-8 bytes of their paths. */
  readonly files: readonly ImageFile[];
}

export function imageFile(image: CapsuleImage, path: string): ImageFile | undefined {
  return image.files.find((file) => file.path === path);
}
