/**
 * `/proc` of the namespace, for what runtimes read of themselves, read-only and without what is of the machine. This is not for tidiness:
 * a host of a node that root runs is root to the kernel wherever that looks at the number and not at rights, and it does so for
 * every file of `/proc/sys` and for files in `/proc` that others may not read.
 */
import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** Nothing of the machine's hardware, settings and drivers. */
const MASKED_FOLDERS = ["sys", "acpi", "asound", "bus", "driver", "fs", "irq", "scsi", "sysvipc", "tty"];
/** Besides those that only root may read. What runtimes look at stays: processors, memory, load, uptime, version. */
const MASKED_FILES = [
  "cmdline",
  "config.gz",
  "consoles",
  "crypto",
  "devices",
  "diskstats",
  "dma",
  "execdomains",
  "interrupts",
  "iomem",
  "ioports",
  "kallsyms",
  "key-users",
  "keys",
  "locks",
  "misc",
  "modules",
  "mtrr",
  "partitions",
  "sched_debug",
  "softirqs",
  "swaps",
  "sysrq-trigger",
  "timer_list",
];

/** Folders of processes; the namespace has its own. */
const PROCESS = /^\d+$/;

export function procArguments(proc = "/proc"): readonly string[] {
  // Names alone: what a name is has to be asked of some kernels, and processes end between the two.
  const names = readdirSync(proc).filter((name) => !PROCESS.test(name));
  const masked = names.flatMap((name) => {
    const path = join("/proc", name);
    const stat = lstatSync(join(proc, name), { throwIfNoEntry: false });
    if (stat?.isDirectory() === true) {
      return MASKED_FOLDERS.includes(name) ? ["--tmpfs", path, "--remount-ro", path] : [];
    }
    if (stat?.isFile() !== true) return [];
    const isOpen = (stat.mode & 0o004) !== 0;
    return isOpen && !MASKED_FILES.includes(name) ? [] : ["--ro-bind", "/dev/null", path];
  });
  return ["--proc", "/proc", ...masked, "--remount-ro", "/proc"];
}
