/**
 * `/proc` of the namespace, for what runtimes read of themselves, read-only and without what is of the machine. This is not for tidiness:
 * a host of a node that root runs is root to the kernel wherever that looks at the number and not at rights, and it does so for
 * every file of `/proc/sys` and for files in `/proc` that others may not read.
 */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";

/** Nothing of the machine's hardware, settings and drivers. */
const MASKED_FOLDERS = ["sys", "acpi", "asound", "bus", "driver", "fs", "irq", "scsi", "sysvipc", "tty"];
/** Besides those that only root may read. */
const MASKED_FILES = [
  "config.gz",
  "iomem",
  "ioports",
  "kallsyms",
  "key-users",
  "keys",
  "sched_debug",
  "sysrq-trigger",
];

export function procArguments(proc = "/proc"): readonly string[] {
  const masked = readdirSync(proc, { withFileTypes: true }).flatMap((entry) => {
    const path = join("/proc", entry.name);
    if (entry.isDirectory()) {
      return MASKED_FOLDERS.includes(entry.name) ? ["--tmpfs", path, "--remount-ro", path] : [];
    }
    if (!entry.isFile()) return [];
    const isOpen = (statSync(join(proc, entry.name)).mode & 0o004) !== 0;
    return isOpen && !MASKED_FILES.includes(entry.name) ? [] : ["--ro-bind", "/dev/null", path];
  });
  return ["--proc", "/proc", ...masked, "--remount-ro", "/proc"];
}
