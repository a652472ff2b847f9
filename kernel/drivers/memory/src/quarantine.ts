/** A quarantine that lasts as long as its process, with everything that was put in it. */
import { createHash } from "node:crypto";
import type { Quarantine, QuarantineEntry } from "@vnes/kernel";

export type Refused = Parameters<Quarantine["put"]>[0];

export class MemoryQuarantine implements Quarantine {
  readonly #kept: { readonly entry: QuarantineEntry; readonly refused: Refused }[] = [];

  async put(refused: Refused): Promise<QuarantineEntry> {
    const { origin, id, version, at, reasons } = refused;
    const imageHash = refused.image?.hash ?? null;
    const name = createHash("sha256")
      .update(JSON.stringify([this.#kept.length, origin, imageHash]))
      .digest("hex");
    const entry = { entry: `qua_${name.slice(0, 12)}`, origin, id, version, imageHash, at, reasons };
    this.#kept.push({ entry, refused });
    return entry;
  }

  async list(): Promise<readonly QuarantineEntry[]> {
    return this.#kept.map(({ entry }) => entry);
  }

  /** What was put under this name, image and evidence included. */
  refused(entry: string): Refused | undefined {
    return this.#kept.find((kept) => kept.entry.entry === entry)?.refused;
  }
}
