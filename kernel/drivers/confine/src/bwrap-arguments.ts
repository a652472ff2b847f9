/**
 * What bubblewrap is told, from an empty root upwards. The root is made read-only last, so nothing can be written anywhere but in a
 * scratch folder, if there is one.
 */
import { basename, join } from "node:path";
import { HOST_ENV, type HostProgram, WALLED_USER } from "@vnes/driver-host";
import type { Confinement } from "@vnes/kernel";
import { mountsOf } from "./mounts.ts";
import { procArguments } from "./proc-arguments.ts";

/** Where the loader and the C library are; nothing of `/usr/bin`, `/etc` or anybody's home. */
const SYSTEM_LIBRARIES = ["/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib64"];
/** They lead nowhere, and runtimes open them. */
const DEVICES = ["null", "zero", "full", "random", "urandom"];
/** Where an executable that comes as bytes lies. */
const OWN_FOLDER = "/capsule";
const MEGABYTE = 1024 * 1024;
/** Timers and signals that wait, which are counted for the user of the node: no host is to have all of them. */
const SIGNALS = 1_024;

export interface Descriptors {
  /** Where the filter of system calls is read from. */
  readonly filter: number;
  /** Where the bytes of the executable are read from, if it comes as bytes. */
  readonly bytes: number;
}

export interface BwrapCommand {
  /** For `--args`: kept out of the command line, which processes inside can read. */
  readonly options: readonly string[];
  /** What is started inside. */
  readonly command: readonly string[];
}

export function bwrapCommand(
  program: HostProgram,
  { scratchMb, pids, openFiles }: Confinement,
  { filter, bytes }: Descriptors,
  prlimit: string,
): BwrapCommand {
  const file = program.bytes === undefined ? program.file : join(OWN_FOLDER, basename(program.file));
  const reads = [...SYSTEM_LIBRARIES, prlimit, ...program.reads];
  const mounts = mountsOf(program.bytes === undefined ? [...reads, program.file] : reads);
  const nobody = String(WALLED_USER);
  const scratch = String(scratchMb * MEGABYTE);
  return {
    options: [
      ...[
        "--unshare-user",
        "--unshare-ipc",
        "--unshare-pid",
        "--unshare-net",
        "--unshare-uts",
        "--unshare-cgroup",
      ],
      ...["--uid", nobody, "--gid", nobody, "--hostname", "capsule"],
      // No session of its own: the launcher leads one already, and a second one would have a priority of its own (`session-nice.ts`).
      ...["--die-with-parent", "--cap-drop", "ALL", "--clearenv"],
      ...Object.entries({ ...HOST_ENV, ...program.env }).flatMap(([name, value]) => [
        "--setenv",
        name,
        value,
      ]),
      // Before what is read: the program may lie below it.
      ...(scratchMb === 0 ? [] : ["--perms", "1777", "--size", scratch, "--tmpfs", "/tmp"]),
      ...mounts.flatMap((mount) =>
        mount.kind === "link"
          ? ["--symlink", mount.target, mount.path]
          : ["--ro-bind", mount.path, mount.path],
      ),
      ...(program.bytes === undefined ? [] : ["--perms", "0555", "--ro-bind-data", String(bytes), file]),
      // Not read-only, because bubblewrap would forbid to open them; that their modes stay as they are is the filter's business.
      ...DEVICES.map((name) => `/dev/${name}`).flatMap((node) => ["--dev-bind", node, node]),
      ...procArguments(),
      ...["--remount-ro", "/", "--chdir", "/", "--seccomp", String(filter)],
    ],
    // Inside, because the count of processes is that of the new user namespace only there.
    command: [
      ...[
        prlimit,
        `--nproc=${pids}`,
        `--nofile=${openFiles}`,
        `--fsize=${scratch}`,
        `--sigpending=${SIGNALS}`,
        "--core=0",
        "--",
      ],
      ...[file, ...program.args],
    ],
  };
}
