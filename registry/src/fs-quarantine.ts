/**
 * Quarantine as a directory: `<entry>/{entry.json,evidence.json,image/...}`, for people to look at. Nothing in it is ever
 * run, so nothing in it is executable. An entry counts how often it was refused.
 *
 * Its size is bounded: when it is full the entry refused longest ago goes, and is counted in `removed.json`.
 */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import {
  byLastRefused,
  type CapsuleImage,
  type Quarantine,
  type QuarantineEntry,
  type RefusedImage,
  refusalBytes,
} from "@vnes/kernel";
import type { Json } from "@vnes/schemas";
import { codeOf, placeTree, replaceFile, TEMPORARY_PREFIX, type TreeFile } from "./durable.ts";
import { registryErrors } from "./errors.ts";
import { withLock } from "./lock.ts";

export interface QuarantineBounds {
  readonly entries: number;
  readonly bytes: number;
}

/** Room for a week of somebody trying, and for four of the largest images there can be. */
const QUARANTINE_BOUNDS: QuarantineBounds = { entries: 128, bytes: 256 * 1024 * 1024 };

const EVIDENCE_BYTES_MAX = 4 * 1024 * 1024;
const ENTRY = /^qua_[0-9a-f]{12}$/;
const FILES = { entry: "entry.json", evidence: "evidence.json", removed: "removed.json" } as const;
const READ_ONLY = 0o400;

export interface FsQuarantineEntry extends QuarantineEntry {
  /** When it was refused first; `at` is the last time. */
  readonly firstAt: number;
  readonly times: number;
  readonly bytes: number;
}

export interface QuarantineDetail {
  readonly entry: FsQuarantineEntry;
  readonly evidence: Json;
  /** Where the image's files lie; null when none could be read. */
  readonly image: string | null;
}

export class FsQuarantine implements Quarantine {
  readonly dir: string;
  readonly #bounds: QuarantineBounds;

  constructor(dir: string, bounds: QuarantineBounds = QUARANTINE_BOUNDS) {
    this.dir = resolve(dir);
    this.#bounds = bounds;
  }

  async put(refused: RefusedImage): Promise<FsQuarantineEntry> {
    return await withLock(this.dir, async () => {
      this.#removeLeftovers();
      const name = entryName(refused);
      const before = this.#read(name);
      const evidence = evidenceText(refused.evidence);
      const entry: FsQuarantineEntry = {
        entry: name,
        origin: refused.origin,
        id: refused.id,
        version: refused.version,
        imageHash: refused.image?.hash ?? null,
        at: refused.at,
        reasons: refused.reasons,
        firstAt: before?.firstAt ?? refused.at,
        times: (before?.times ?? 0) + 1,
        bytes: evidence.length + imageBytes(refused.image),
      };
      const text = Buffer.from(`${JSON.stringify(entry, null, 2)}\n`);
      if (before === null) {
        const files = [file(FILES.entry, text), file(FILES.evidence, evidence), ...imageFiles(refused.image)];
        rmSync(join(this.dir, name), { recursive: true, force: true });
        placeTree(join(this.dir, name), files);
        this.#shrink(name);
      } else {
        replaceFile(join(this.dir, name, FILES.evidence), evidence, READ_ONLY);
        replaceFile(join(this.dir, name, FILES.entry), text, READ_ONLY);
      }
      return entry;
    });
  }

  async list(): Promise<readonly FsQuarantineEntry[]> {
    return this.#all().sort(byLastRefused);
  }

  /** Rejects with `QUARANTINE_ENTRY_UNKNOWN`. */
  async show(entry: string): Promise<QuarantineDetail> {
    const found = this.#read(entry);
    if (found === null) throw registryErrors.create("QUARANTINE_ENTRY_UNKNOWN", { entry });
    const image = join(this.dir, entry, "image");
    return {
      entry: found,
      evidence: readJson(join(this.dir, entry, FILES.evidence)) as Json,
      image: existsSync(image) ? image : null,
    };
  }

  /** Rejects with `QUARANTINE_ENTRY_UNKNOWN`. */
  async remove(entry: string): Promise<void> {
    await withLock(this.dir, async () => {
      if (this.#read(entry) === null) throw registryErrors.create("QUARANTINE_ENTRY_UNKNOWN", { entry });
      rmSync(join(this.dir, entry), { recursive: true });
    });
  }

  /** How many entries had to go for others since the directory was made. */
  async removedForRoom(): Promise<number> {
    const { count } = (readJson(join(this.dir, FILES.removed)) ?? {}) as { count?: number };
    return count ?? 0;
  }

  #shrink(kept: string): void {
    const oldestFirst = this.#all().sort((a, b) => a.at - b.at);
    let bytes = oldestFirst.reduce((sum, entry) => sum + entry.bytes, 0);
    let entries = oldestFirst.length;
    let removed = 0;
    for (const entry of oldestFirst) {
      if (entries <= this.#bounds.entries && bytes <= this.#bounds.bytes) break;
      if (entry.entry === kept) continue;
      rmSync(join(this.dir, entry.entry), { recursive: true });
      entries -= 1;
      bytes -= entry.bytes;
      removed += 1;
    }
    if (removed === 0) return;
    const { count } = (readJson(join(this.dir, FILES.removed)) ?? {}) as { count?: number };
    replaceFile(join(this.dir, FILES.removed), JSON.stringify({ count: (count ?? 0) + removed }), 0o600);
  }

  #all(): FsQuarantineEntry[] {
    if (!existsSync(this.dir)) return [];
    return readdirSync(this.dir)
      .map((name) => this.#read(name))
      .filter((entry) => entry !== null);
  }

  /** Null for anything that is no entry; a damaged one is no entry and is written anew when it is refused again. */
  #read(name: string): FsQuarantineEntry | null {
    if (!ENTRY.test(name)) return null;
    const value = readJson(join(this.dir, name, FILES.entry)) as FsQuarantineEntry | null;
    return value?.entry === name && Array.isArray(value.reasons) ? value : null;
  }

  /** Called under the lock: whoever made these is dead. */
  #removeLeftovers(): void {
    for (const name of readdirSync(this.dir)) {
      if (name.startsWith(TEMPORARY_PREFIX)) rmSync(join(this.dir, name), { recursive: true, force: true });
    }
  }
}

/** An image's bytes lie beside it as files; a description of a few thousand files is far below the bound. */
function evidenceText(evidence: Json): Buffer {
  const text = JSON.stringify(
    evidence,
    function (this: { readonly [key: string]: unknown }, key: string, value: unknown) {
      const raw = this[key];
      return raw instanceof Uint8Array ? { bytes: raw.length } : value;
    },
    2,
  );
  const bytes = Buffer.from(`${text}\n`);
  if (bytes.length <= EVIDENCE_BYTES_MAX) return bytes;
  return Buffer.from(`${JSON.stringify({ left_out: "too large", bytes: bytes.length })}\n`);
}

function entryName(refused: RefusedImage): string {
  return `qua_${createHash("sha256").update(refusalBytes(refused)).digest("hex").slice(0, 12)}`;
}

function file(path: string, bytes: Uint8Array): TreeFile {
  return { path, bytes, mode: READ_ONLY };
}

function imageFiles(image: CapsuleImage | null): TreeFile[] {
  return (image?.files ?? []).map(({ path, bytes }) => file(`image/${path}`, bytes));
}

function imageBytes(image: CapsuleImage | null): number {
  return (image?.files ?? []).reduce((sum, { bytes }) => sum + bytes.length, 0);
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    const code = codeOf(error);
    if (code === "ENOENT" || code === "ENOTDIR" || error instanceof SyntaxError) return null;
    throw error;
  }
}
