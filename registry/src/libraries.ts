/**
 * What a capsule may import besides its own files: the sdk, and the libraries of whoever builds it. A library is bundled
 * in, so it gives a capsule nothing that the capsule could not have written itself; the receipt names its files and hashes.
 * It is looked for where the builder says, never in the capsule's directory.
 */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export interface Libraries {
  /** Imported by these very names; a path within a package is no name. */
  readonly names: readonly string[];
  /** The directory whose `node_modules` hold them, on this machine. */
  readonly from: string;
}

const SDK: readonly string[] = ["@vnes/sdk", "@vnes/sdk/config", "@vnes/sdk/driver"];
const HERE = dirname(fileURLToPath(import.meta.url));

/** Of a builder that says nothing else. */
export const SDK_ALONE: Libraries = { names: SDK, from: HERE };

/** The sdk and the `dependencies` of the package in `dir`, such as the one that holds a program's own capsules. */
export function librariesOf(dir: string): Libraries {
  const file = readFileSync(join(dir, "package.json"), "utf8");
  const { dependencies = {} } = JSON.parse(file) as { dependencies?: { readonly [name: string]: string } };
  const others = Object.keys(dependencies).filter((name) => !SDK.includes(name));
  return { names: [...SDK, ...others.sort()], from: dir };
}

/** Where an import of a capsule is looked for; undefined: it may not import that. The sdk is the builder's own. */
export function placeOf(name: string, { names, from }: Libraries): string | undefined {
  if (!names.includes(name)) return undefined;
  return SDK.includes(name) ? HERE : from;
}
