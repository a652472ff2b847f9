/** Where a node looks for capsules when it boots. */
import type { CapsuleImage } from "../admission/image.ts";

/** Something that may be a capsule. */
export interface CapsuleCandidate {
  /** Where it was found, for people: a path or `registry:<image hash>`. */
  readonly origin: string;
  /** What it was when it was kept, for people: said of one that cannot be read any more, and believed of none. */
  readonly keptAs?: { readonly id: string; readonly version: string };
  /** Reads it once, whole, under bounds; rejects with an `IMAGE_*` error. */
  read(): Promise<CapsuleImage>;
}

export interface CapsuleSource {
  /** In a stable order. */
  candidates(): Promise<readonly CapsuleCandidate[]>;
}
