/**
 * The place for what was refused: the image as far as it could be read, the evidence, the verdict.
 *
 * QU1. The same image refused for the same reasons is one entry, wherever it was found; what could not be read as an image is told by where
 *      it was found. Put again, the entry says what it was told last.
 * QU2. Entries are listed with the one refused last first; of those refused at the same time the lower name goes first.
 *
 * A driver with a bound may let go of what was refused longest ago.
 */
import { canonicalJson, type Json } from "@vnes/schemas";
import type { CapsuleImage } from "../admission/image.ts";
import type { Reason } from "../admission/verdict.ts";

export interface QuarantineEntry {
  /** `qua_` and 12 hex digits. */
  readonly entry: string;
  readonly origin: string;
  /** As far as the manifest could be read. */
  readonly id: string | null;
  readonly version: string | null;
  readonly imageHash: string | null;
  /** When it was refused last, in node time, milliseconds. */
  readonly at: number;
  readonly reasons: readonly Reason[];
}

/** What is put there. */
export interface RefusedImage {
  readonly origin: string;
  readonly id: string | null;
  readonly version: string | null;
  readonly image: CapsuleImage | null;
  readonly at: number;
  readonly reasons: readonly Reason[];
  readonly evidence: Json;
}

export interface Quarantine {
  put(refused: RefusedImage): Promise<QuarantineEntry>;
  list(): Promise<readonly QuarantineEntry[]>;
}

/** QU1: two refusals with the same bytes are one entry, which is named by a hash of them. */
export function refusalBytes({ image, origin, reasons }: RefusedImage): Uint8Array {
  const what = { image: image?.hash ?? null, origin: image === null ? origin : null, reasons };
  return canonicalJson(what);
}

/** QU2. */
export function byLastRefused(a: QuarantineEntry, b: QuarantineEntry): number {
  return b.at - a.at || (a.entry < b.entry ? -1 : 1);
}
