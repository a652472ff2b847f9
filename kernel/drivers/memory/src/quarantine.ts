/** A quarantine that lasts as long as its process, with everything that was put in it. */
import { createHash } from "node:crypto";
import {
  byLastRefused,
  type Quarantine,
  type QuarantineEntry,
  type RefusedImage,
  refusalBytes,
} from "@vnes/kernel";

export class MemoryQuarantine implements Quarantine {
  readonly #kept = new Map<string, { readonly entry: QuarantineEntry; readonly refused: RefusedImage }>();

  async put(refused: RefusedImage): Promise<QuarantineEntry> {
    const { origin, id, version, at, reasons } = refused;
    const name = `qua_${createHash("sha256").update(refusalBytes(refused)).digest("hex").slice(0, 12)}`;
    const imageHash = refused.image?.hash ?? null;
    const entry = { entry: name, origin, id, version, imageHash, at, reasons };
    this.#kept.set(name, { entry, refused });
    return entry;
  }

  async list(): Promise<readonly QuarantineEntry[]> {
    return [...this.#kept.values()].map(({ entry }) => entry).sort(byLastRefused);
  }

  /** What was put under this name last, image and evidence included. */
  refused(entry: string): RefusedImage | undefined {
    return this.#kept.get(entry)?.refused;
  }
}
