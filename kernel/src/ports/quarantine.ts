/** The place for what was refused: the image as far as it could be read, the evidence, the verdict. */
import type { Json } from "@vnes/schemas";
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
  /** Node time in milliseconds. */
  readonly at: number;
  readonly reasons: readonly Reason[];
}

export interface Quarantine {
  put(refused: {
    readonly origin: string;
    readonly id: string | null;
    readonly version: string | null;
    readonly image: CapsuleImage | null;
    readonly at: number;
    readonly reasons: readonly Reason[];
    readonly evidence: Json;
  }): Promise<QuarantineEntry>;
  list(): Promise<readonly QuarantineEntry[]>;
}
