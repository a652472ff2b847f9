/** What a host process runs, wherever it is started: a wall decides how. */
import { existsSync } from "node:fs";
import { getCompileCacheDir } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

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
  /** Folders it reads under another path behind a wall, because their name has the number of the user in it. */
  readonly readsAs?: readonly { readonly folder: string; readonly at: string }[];
}

/** Who a program is behind a wall: nobody, whoever runs the node. */
export const WALLED_USER = 65_534;

export interface NodeProgramOptions {
  readonly flags?: readonly string[];
  /** Packages it imports, their own ones too. */
  readonly packages?: readonly string[];
}

/**
 * A module that calls `serveHost`, run by this process's own Node. Give it with the extension of the module that names it:
 * `.ts` from source, `.js` when built.
 */
export function nodeProgram(entry: URL, { flags = [], packages = [] }: NodeProgramOptions = {}): HostProgram {
  const file = fileURLToPath(entry);
  const fromSource = file.endsWith(".ts") ? ["--conditions=source"] : [];
  const cache = getCompileCacheDir();
  const found = packages.flatMap((name) => packageFolder(dirname(file), name));
  const compiled = cache !== undefined && existsSync(cache) ? [cache] : [];
  return {
    file: process.execPath,
    args: [...fromSource, ...flags, file],
    // It halves the time to start. Node has put a folder for its own version below the one that was named.
    env: cache === undefined ? {} : { NODE_COMPILE_CACHE: dirname(cache) },
    reads: [process.execPath, ...packageOf(file), ...found],
    readsAs: compiled.map((folder) => ({ folder, at: folder.replace(/-\d+$/, `-${WALLED_USER}`) })),
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
