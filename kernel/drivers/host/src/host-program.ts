/** What a host process runs, wherever it is started: a wall decides how. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { builtFile } from "./built-script.ts";

export interface HostProgram {
  /** Absolute path of the executable; for one that comes as bytes, the name it is to have. */
  readonly file: string;
  /** The executable itself, out of a verified image: what is on the disk does not matter then. */
  readonly bytes?: Uint8Array;
  readonly args: readonly string[];
  /** Besides TZ and LANG. */
  readonly env: { readonly [name: string]: string };
  /** Absolute paths, files or folders, that it reads: behind a wall there is nothing else but the system's libraries. */
  readonly reads: readonly string[];
}

/** Who a program is behind a wall: nobody, whoever runs the node. */
export const WALLED_USER = 65_534;

export interface NodeProgramOptions {
  readonly flags?: readonly string[];
  /** Packages it imports, their own ones too. */
  readonly packages?: readonly string[];
}

/**
 * A module that calls `serveHost`, run by this process's own Node from its sources. Give it with the extension of the module
 * that names it: `.ts` from source, `.js` when built.
 */
export function nodeProgram(entry: URL, { flags = [], packages = [] }: NodeProgramOptions = {}): HostProgram {
  const file = fileURLToPath(entry);
  const fromSource = file.endsWith(".ts") ? ["--conditions=source"] : [];
  const found = packages.flatMap((name) => packageFolder(dirname(file), name));
  return {
    file: process.execPath,
    args: [...fromSource, ...flags, file],
    env: {},
    reads: [process.execPath, ...packageOf(file), ...found],
  };
}

export interface BuiltProgramOptions extends NodeProgramOptions {
  /** Packages of ours that become part of the one file. */
  readonly sources?: readonly string[];
}

/** The same made into one file, which starts sooner and reads less. Where that file cannot be kept it runs from its sources. */
export function builtProgram(entry: URL, options: BuiltProgramOptions = {}): HostProgram {
  const { flags = [], packages = [], sources = [] } = options;
  const file = builtFile(entry, packages);
  if (file === undefined) return nodeProgram(entry, { flags, packages: [...packages, ...sources] });
  const found = packages.flatMap((name) => packageFolder(dirname(file), name));
  return {
    file: process.execPath,
    args: [...flags, file],
    env: {},
    reads: [process.execPath, file, ...found],
  };
}

/** The folder of the file's own package. */
function packageOf(file: string): readonly string[] {
  for (let folder = dirname(file); folder !== dirname(folder); folder = dirname(folder))
    if (existsSync(join(folder, "package.json"))) return [folder];
  return [];
}

/** Where Node finds a package, as it is named there: in a workspace that is a link. */
function packageFolder(from: string, name: string): readonly string[] {
  for (let folder = from; folder !== dirname(folder); folder = dirname(folder)) {
    const candidate = join(folder, "node_modules", name);
    if (existsSync(candidate)) return [candidate];
  }
  return [];
}
