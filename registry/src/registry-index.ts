/** `index.json` of a local registry: which versions of which capsule are there, and which one is current. */
import { readFileSync } from "node:fs";
import type { Sha256 } from "@vnes/schemas";
import { codeOf, replaceFile } from "./durable.ts";
import { registryErrors } from "./errors.ts";

export interface InstalledVersion {
  readonly version: string;
  readonly image: Sha256;
  /** Of several, the one that runs is `current`, unless it was uninstalled; the others stay for what the ledger says of them. */
  readonly state: "current" | "superseded" | "replaced" | "removed";
  readonly installed_at: string;
  /** The directory it came from, for people. */
  readonly origin: string;
}

export interface RegistryIndex {
  readonly schema_version: "v1";
  /** Capsule id to everything ever installed under it, oldest first. */
  readonly capsules: { readonly [id: string]: readonly InstalledVersion[] };
}

const EMPTY: RegistryIndex = { schema_version: "v1", capsules: {} };
const HASH = /^sha256:[0-9a-f]{64}$/;

/** Empty when there is none yet; rejects with `REGISTRY_INDEX_BROKEN`. */
export function readIndex(file: string): RegistryIndex {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") return EMPTY;
    throw registryErrors.create("REGISTRY_INDEX_BROKEN", { file, reason: codeOf(cause) }, cause);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw registryErrors.create("REGISTRY_INDEX_BROKEN", { file, reason: "it is not JSON" }, cause);
  }
  const reason = wrongWith(value);
  if (reason !== null) throw registryErrors.create("REGISTRY_INDEX_BROKEN", { file, reason });
  return value as RegistryIndex;
}

export function writeIndex(file: string, index: RegistryIndex): void {
  replaceFile(file, `${JSON.stringify(index, null, 2)}\n`, 0o644);
}

export function currentOf(index: RegistryIndex, id: string): InstalledVersion | undefined {
  return versionsOf(index, id).find(({ state }) => state === "current");
}

export function versionsOf(index: RegistryIndex, id: string): readonly InstalledVersion[] {
  return Object.hasOwn(index.capsules, id) ? (index.capsules[id] ?? []) : [];
}

/** `added` becomes current; what was current before is kept beside it. */
export function withInstalled(index: RegistryIndex, id: string, added: InstalledVersion): RegistryIndex {
  const before = versionsOf(index, id)
    .filter(({ image }) => image !== added.image)
    .map((one): InstalledVersion => {
      if (one.state !== "current") return one;
      return { ...one, state: one.version === added.version ? "replaced" : "superseded" };
    });
  return { ...index, capsules: { ...index.capsules, [id]: [...before, added] } };
}

/** Nothing of `id` is current any more. */
export function withRemoved(index: RegistryIndex, id: string): RegistryIndex {
  const versions = versionsOf(index, id).map((one): InstalledVersion => {
    return one.state === "current" ? { ...one, state: "removed" } : one;
  });
  return { ...index, capsules: { ...index.capsules, [id]: versions } };
}

function wrongWith(value: unknown): string | null {
  const { schema_version: version, capsules } = (value ?? {}) as Partial<RegistryIndex>;
  if (version !== "v1") return `its schema_version is ${JSON.stringify(version) ?? "missing"}, not "v1"`;
  if (typeof capsules !== "object" || capsules === null) return "it lists no capsules";
  for (const [id, versions] of Object.entries(capsules)) {
    if (!Array.isArray(versions)) return `the versions of ${id} are no list`;
    for (const one of versions as Partial<InstalledVersion>[]) {
      // The hash becomes a path: nothing but a hash may stand there.
      if (typeof one?.image !== "string" || !HASH.test(one.image))
        return `${id} names something that is no image`;
      if (typeof one.version !== "string" || typeof one.origin !== "string")
        return `${id} lacks a version or an origin`;
    }
    const current = versions.filter(({ state }) => state === "current").length;
    const wasRemoved = versions.some(({ state }) => state === "removed");
    if (current > 1 || (current === 0 && !wasRemoved)) return `${id} has not one current version`;
  }
  return null;
}
