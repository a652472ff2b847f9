/** Paths that are made, and whether they can be: asked before or after the attempt. */
import { accessSync, constants, existsSync, mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Makes a directory and those above it that are not there; throws what the system says. One after another: Node, asked for all of them
 * at once, never comes back where the system says ENOENT below a directory that is there, as under `/proc`.
 */
export function makePath(dir: string, mode: number): void {
  const above = dirname(dir);
  if (!existsSync(above)) makePath(above, mode);
  try {
    mkdirSync(dir, { mode });
  } catch (cause) {
    if (!statSync(dir, { throwIfNoEntry: false })?.isDirectory()) throw cause;
  }
}

/** The nearest directory above `path`, or itself, that is there. */
export function nearestThere(path: string): string {
  let up = path;
  while (!existsSync(up) && dirname(up) !== up) up = dirname(up);
  return up;
}

/**
 * What keeps this user from writing at `path`, which need not be there: `EACCES`, `EROFS`; null where nothing does. Node
 * says `ENOENT` where it may not make a path of several directories, which names the wrong cause.
 */
export function refusalToWrite(path: string): string | null {
  try {
    accessSync(nearestThere(path), constants.W_OK);
    return null;
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code ?? "unknown";
  }
}
