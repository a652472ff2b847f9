/**
 * A control group for one host: version 2 where memory, pids and cpu are there, else version 1, else none. It lies below the group this
 * process is in, so that no limit is escaped; where version 2 does not allow that, because processes are in that group, beside it. The host
 * enters it itself, before anything of it runs: `joins` are the files to write to.
 */
import {
  accessSync,
  constants,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { readOr } from "@vnes/driver-host";
import type { Confinement } from "@vnes/kernel";
import { signal } from "./family.ts";

export interface CgroupPlace {
  readonly version: "v1" | "v2";
  /** Folders in which groups can be made. */
  readonly controllers: { readonly [controller in Controller]?: string };
}

type Controller = (typeof CONTROLLERS)[number];
const CONTROLLERS = ["memory", "pids", "cpu"] as const;
const MEGABYTE = 1024 * 1024;
/** Long enough that the start of a runtime is not cut into pieces; what is over the share waits for the next one. */
const CPU_PERIOD_US = 200_000;
/** The processes of a host that was killed take a moment to be gone. */
const REMOVE_EVERY_MS = 20;
const REMOVE_ATTEMPTS = 100;
const NICEST = 19;

export interface Cgroup {
  /** Absolute paths; a process that writes 0 into each is in the group. */
  readonly joins: readonly string[];
  /** What its processes are given beside those of others, as niceness. */
  weigh(nice: number): void;
  /** How often the kernel ended something in it for its memory. */
  memoryKills(): number;
  /** Ends what is in it. */
  end(): void;
  /** Resolves when it is gone, or was given up. */
  remove(): Promise<void>;
}

/** From what `/proc/self/cgroup` and `/proc/self/mountinfo` say; undefined where no group can be made. */
export function findCgroupPlace(
  cgroups: string = readOr("/proc/self/cgroup", ""),
  mounts: string = readOr("/proc/self/mountinfo", ""),
): CgroupPlace | undefined {
  const ours = new Map<string, string>();
  for (const line of cgroups.split("\n")) {
    const [, names, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (names !== undefined && path !== undefined) for (const name of names.split(",")) ours.set(name, path);
  }
  return versionTwo(ours.get(""), mounts) ?? versionOne(ours, mounts);
}

function versionTwo(path: string | undefined, mounts: string): CgroupPlace | undefined {
  if (path === undefined) return undefined;
  for (const { at, root, type } of mountsIn(mounts)) {
    const own = type === "cgroup2" ? within(at, root, path) : undefined;
    if (own === undefined) continue;
    const folder = [own, ...(own === at ? [] : [dirname(own)])].find(
      (one) => isWritable(one) && handsDown(one),
    );
    if (folder !== undefined)
      return { version: "v2", controllers: { memory: folder, pids: folder, cpu: folder } };
  }
  return undefined;
}

/** Version 2 limits groups only where the one above them has switched the controllers on, which it can unless processes are in it. */
function handsDown(folder: string): boolean {
  const control = join(folder, "cgroup.subtree_control");
  const isOn = (): boolean => {
    const on = readFileSync(control, "utf8").trim().split(/\s+/);
    return CONTROLLERS.every((name) => on.includes(name));
  };
  try {
    if (isOn()) return true;
    writeFileSync(control, CONTROLLERS.map((name) => `+${name}`).join(" "));
    return isOn();
  } catch {
    return false;
  }
}

function versionOne(ours: ReadonlyMap<string, string>, mounts: string): CgroupPlace | undefined {
  const found: { [controller in Controller]?: string } = {};
  for (const { at, root, type, options } of mountsIn(mounts)) {
    if (type !== "cgroup") continue;
    for (const controller of CONTROLLERS.filter((name) => options.includes(name))) {
      const folder = within(at, root, ours.get(controller) ?? "");
      if (folder !== undefined && isWritable(folder)) found[controller] = folder;
    }
  }
  return Object.keys(found).length === 0 ? undefined : { version: "v1", controllers: found };
}

function* mountsIn(text: string): IterableIterator<{
  readonly at: string;
  readonly root: string;
  readonly type: string;
  readonly options: readonly string[];
}> {
  for (const line of text.split("\n")) {
    const [before, after] = line.split(" - ");
    const [, , , root, at] = before?.split(" ") ?? [];
    const [type, , options] = after?.split(" ") ?? [];
    if (root !== undefined && at !== undefined && type !== undefined)
      yield { at, root, type, options: options?.split(",") ?? [] };
  }
}

/** The folder of a group, where the mount shows it. */
function within(at: string, root: string, path: string): string | undefined {
  if (root === "/") return join(at, path);
  return path === root || path.startsWith(`${root}/`) ? join(at, path.slice(root.length)) : undefined;
}

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    accessSync(join(folder, "cgroup.procs"), constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

let next = 0;

/** Groups of nodes that were killed: empty, and nobody else removes them. */
export function sweepCgroups({ controllers }: CgroupPlace): void {
  for (const folder of new Set(Object.values(controllers))) {
    for (const name of readdirSync(folder)) {
      const pid = Number(/^vnes-(\d+)-\d+$/.exec(name)?.[1]);
      if (Number.isNaN(pid) || isThere(pid)) continue;
      try {
        rmdirSync(join(folder, name));
      } catch {
        // Something is still in it; the next node tries again.
      }
    }
  }
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code !== "ESRCH";
  }
}

/** Throws what the file system says when a group cannot be made; none is left then. */
export function openCgroup({ version, controllers }: CgroupPlace, limits: Confinement): Cgroup {
  const name = `vnes-${process.pid}-${next++}`;
  const folders = [...new Set(Object.values(controllers))].map((folder) => join(folder, name));
  const made: string[] = [];
  const remove = async (): Promise<void> => {
    for (const folder of made) await removed(folder);
  };
  try {
    for (const folder of folders) {
      mkdirSync(folder);
      made.push(folder);
    }
    for (const [controller, parent] of Object.entries(controllers) as [Controller, string][])
      for (const [file, value, isOptional] of SETTINGS[version][controller](limits))
        set(join(parent, name, file), value, isOptional === true);
  } catch (cause) {
    for (const folder of made) rmdirSync(folder);
    throw cause;
  }
  const counts =
    controllers.memory &&
    join(controllers.memory, name, version === "v2" ? "memory.events" : "memory.oom_control");
  const joins = folders.map((folder) => join(folder, "cgroup.procs"));
  return {
    joins,
    weigh(nice) {
      if (controllers.cpu === undefined) return;
      const [file, value] = WEIGHT[version](nice);
      // Where the group is gone nothing is left to weigh.
      set(join(controllers.cpu, name, file), value, true);
    },
    memoryKills: () => (counts === undefined ? 0 : killsIn(counts)),
    end() {
      for (const join of joins)
        for (const pid of readOr(join, "").split("\n").filter(Boolean)) signal(Number(pid), "SIGKILL");
    },
    remove,
  };
}

type Setting = readonly [file: string, value: number | string, isOptional?: true];

/** A preference, so no host is refused where it cannot be had. Within a group the niceness of processes counts against each other only. */
const WEIGHT: { readonly [version in CgroupPlace["version"]]: (nice: number) => Setting } = {
  v2: (nice) => ["cpu.weight.nice", Math.min(NICEST, nice), true],
  // As the scheduler weighs single processes: a tenth of the processor less for each step.
  v1: (nice) => ["cpu.shares", Math.round(1024 / 1.25 ** Math.min(NICEST, nice)), true],
};

const SETTINGS: {
  readonly [version in CgroupPlace["version"]]: {
    readonly [controller in Controller]: (limits: Confinement) => readonly Setting[];
  };
} = {
  v2: {
    memory: ({ memoryMb }) => [
      ["memory.max", memoryMb * MEGABYTE],
      ["memory.swap.max", 0, true],
      ["memory.oom.group", 1, true],
    ],
    pids: ({ pids }) => [["pids.max", pids]],
    cpu: ({ cpuPercent, nice }) => [
      ["cpu.max", `${(cpuPercent * CPU_PERIOD_US) / 100} ${CPU_PERIOD_US}`],
      WEIGHT.v2(nice),
    ],
  },
  v1: {
    memory: ({ memoryMb }) => [
      ["memory.limit_in_bytes", memoryMb * MEGABYTE],
      // Memory and swap together; absent where the machine does not count swap.
      ["memory.memsw.limit_in_bytes", memoryMb * MEGABYTE, true],
    ],
    pids: ({ pids }) => [["pids.max", pids]],
    cpu: ({ cpuPercent, nice }) => [
      ["cpu.cfs_period_us", CPU_PERIOD_US],
      ["cpu.cfs_quota_us", (cpuPercent * CPU_PERIOD_US) / 100],
      WEIGHT.v1(nice),
    ],
  },
};

function set(file: string, value: number | string, isOptional: boolean): void {
  try {
    writeFileSync(file, String(value));
  } catch (cause) {
    if (!isOptional) throw cause;
  }
}

function killsIn(file: string): number {
  return Number(/^oom_kill (\d+)$/m.exec(readOr(file, ""))?.[1] ?? 0);
}

async function removed(folder: string): Promise<void> {
  for (let attempt = 0; attempt < REMOVE_ATTEMPTS; attempt++) {
    try {
      return rmdirSync(folder);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === "ENOENT") return;
      await new Promise((resolve) => setTimeout(resolve, REMOVE_EVERY_MS));
    }
  }
}
