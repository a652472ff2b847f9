/** Whether a path can be written, asked before or after the attempt. */
import { accessSync, constants, existsSync } from "node:fs";
import { dirname } from "node:path";

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
