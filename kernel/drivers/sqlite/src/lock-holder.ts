/** Who holds a lock on a file, as far as this machine says: `/proc/locks` on Linux, nothing elsewhere. */
import { readFileSync, statSync } from "node:fs";

/** Process id, or undefined when nobody, or nobody this process may know of, holds one. */
export function lockHolder(path: string): number | undefined {
  try {
    const inode = String(statSync(path, { bigint: true }).ino);
    for (const line of readFileSync("/proc/locks", "utf8").split("\n")) {
      // 1: POSIX  ADVISORY  WRITE 3568 fd:00:2531452 1073741826 1073742335
      const [, , , , pid, file] = line.split(/\s+/);
      if (file?.split(":")[2] === inode && Number(pid) > 0) return Number(pid);
    }
  } catch {
    // The message is the same without a pid.
  }
  return undefined;
}
