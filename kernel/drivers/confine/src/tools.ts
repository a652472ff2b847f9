/** The programs a wall is made with, where they lie on this machine, and the Debian package each comes in. */
import { accessSync, constants } from "node:fs";
import { join } from "node:path";
import type { PlatformLack } from "@vnes/kernel";

export interface Tools {
  readonly bwrap: string;
  readonly bash: string;
  readonly nice: string;
  readonly prlimit: string;
}

const PACKAGES: { readonly [tool in keyof Tools]: string } = {
  bwrap: "bubblewrap",
  bash: "bash",
  nice: "coreutils",
  prlimit: "util-linux",
};
/** Not the caller's PATH: a program in somebody's home must not be the one that puts the wall up. */
const FOLDERS = ["/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin"];

export function findTools(folders: readonly string[] = FOLDERS): Tools | readonly PlatformLack[] {
  const found = Object.keys(PACKAGES).map((name) => [name, pathOf(name, folders)] as const);
  const missing = found.filter(([, path]) => path === undefined).map(([name]) => name as keyof Tools);
  if (missing.length === 0) return Object.fromEntries(found) as unknown as Tools;
  return missing.map((name) => ({
    part: PACKAGES[name],
    found: `there is no ${name} in ${folders.join(", ")}`,
    remedy: `sudo apt-get install ${PACKAGES[name]}`,
  }));
}

function pathOf(name: string, folders: readonly string[]): string | undefined {
  return folders
    .map((folder) => join(folder, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}
