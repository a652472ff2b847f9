/**
 * What this machine can keep a process from, looked at once by doing it: the platform for the decision
 * (`kernel/src/confinement`), and the walls for whoever starts hosts.
 */
import { noWall, readOr, type WallOf } from "@vnes/driver-host";
import type { Confinement, LimitKeeper, Platform, PlatformLack } from "@vnes/kernel";
import { type CgroupPlace, findCgroupPlace, sweepCgroups } from "./cgroup.ts";
import { confineErrors } from "./errors.ts";
import { assembled } from "./seccomp/bpf.ts";
import { hostFilter } from "./seccomp/filter.ts";
import type { Architecture } from "./seccomp/syscalls.ts";
import { findTools, type Tools } from "./tools.ts";
import { openWall, type WallParts } from "./wall.ts";

export interface Walls {
  readonly platform: Platform;
  readonly wallOf: WallOf;
}

/** For tests that take something away. */
export interface OpenWallsOptions {
  readonly cgroups?: CgroupPlace | undefined;
  readonly toolFolders?: readonly string[];
}

const ARCHITECTURES: { readonly [arch: string]: Architecture } = { x64: "x86_64", arm64: "aarch64" };
/** A loaded machine included; it usually takes a hundredth of it. */
const TRIAL_TIMEOUT_MS = 10_000;
/** What is tried: every part of the wall at once. */
const TRIAL: Confinement = {
  zone: "ephemeral",
  wall: "namespaces",
  sharedBy: "trial",
  memoryMb: 64,
  pids: 32,
  cpuPercent: 100,
  nice: 1,
  openFiles: 32,
  scratchMb: 1,
  messageMb: 1,
  network: "none",
  devices: "none",
  reads: "program",
};

export async function openWalls(options: OpenWallsOptions = {}): Promise<Walls> {
  const architecture = ARCHITECTURES[process.arch];
  if (process.platform !== "linux" || architecture === undefined) {
    const found = `this is ${process.platform} on ${process.arch}`;
    return without([{ part: "linux", found, remedy: "run the node on Linux, x86-64 or 64-bit ARM" }]);
  }
  const tools = findTools(options.toolFolders);
  if (!("bwrap" in tools)) return without(tools);
  const filter = assembled(hostFilter(architecture));
  const place = "cgroups" in options ? options.cgroups : findCgroupPlace();
  if (place !== undefined) sweepCgroups(place);
  const withGroups = partsOf(tools, filter, place);
  let failure = await tried(withGroups);
  if (failure === undefined) return walls(withGroups);
  // Groups that can be made and not entered are none.
  const withWatchdog = partsOf(tools, filter, undefined);
  if (place !== undefined) failure = await tried(withWatchdog);
  if (failure === undefined) return walls(withWatchdog);
  return without([lackFrom(failure)]);
}

function partsOf(tools: Tools, filter: Uint8Array, cgroups: CgroupPlace | undefined): WallParts {
  const keeper = (controller: "memory" | "pids" | "cpu"): LimitKeeper =>
    cgroups?.controllers[controller] === undefined ? "watchdog" : `cgroup ${cgroups.version}`;
  const keeps = { memory: keeper("memory"), pids: keeper("pids"), cpu: keeper("cpu") };
  return { tools, filter, keeps, cgroups };
}

function walls(parts: WallParts): Walls {
  return {
    platform: { lacks: [], keeps: parts.keeps },
    wallOf: (confinement) =>
      confinement === undefined || confinement.wall === "none"
        ? noWall(confinement?.nice)
        : openWall(confinement, parts),
  };
}

function without(lacks: readonly PlatformLack[]): Walls {
  return {
    platform: { lacks, keeps: { memory: "watchdog", pids: "watchdog", cpu: "watchdog" } },
    wallOf: (confinement) => {
      if (confinement === undefined || confinement.wall === "none") return noWall(confinement?.nice);
      // The decision is to refuse; this is for whoever did not ask for it.
      const missing = lacks.map(({ part, found }) => `${part}: ${found}`).join("; ");
      throw confineErrors.create("WALL_NOT_POSSIBLE", { missing });
    },
  };
}

/** Undefined when it worked; what was said otherwise. */
async function tried(parts: WallParts): Promise<string | undefined> {
  const { prlimit } = parts.tools;
  const program = { file: prlimit, args: ["--version"], env: {}, reads: [] };
  const walled = openWall(TRIAL, parts).start(program);
  const { child } = walled;
  const timer = setTimeout(() => child.kill("SIGKILL"), TRIAL_TIMEOUT_MS);
  let said = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    said += chunk.toString("utf8");
  });
  child.stdout?.resume();
  const code = await new Promise<number | null>((resolve) => {
    child.once("error", () => resolve(null));
    child.once("close", resolve);
  });
  clearTimeout(timer);
  walled.ended();
  return code === 0 ? undefined : said.trim().split("\n").at(-1) || `the trial ended with ${code}`;
}

/** `--size` came with 0.7, the last of the options that are used. */
const UNKNOWN_OPTION = /Unknown option/;

function lackFrom(failure: string): PlatformLack {
  if (!UNKNOWN_OPTION.test(failure)) return { part: "namespaces", found: failure, remedy: remedyHere() };
  const remedy = "install bubblewrap 0.7 or newer, as Debian 12 and Ubuntu 24.04 have it";
  return { part: "bubblewrap", found: `${failure}: it is too old`, remedy };
}

const SWITCHES = [
  ["/proc/sys/user/max_user_namespaces", "0", "sudo sysctl user.max_user_namespaces=15000"],
  ["/proc/sys/kernel/unprivileged_userns_clone", "0", "sudo sysctl kernel.unprivileged_userns_clone=1"],
  [
    "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
    "1",
    "allow bwrap user namespaces in an AppArmor profile, or: sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0",
  ],
] as const;

function remedyHere(): string {
  for (const [file, value, remedy] of SWITCHES) {
    if (readOr(file, "").trim() === value) return remedy;
  }
  return "run the node where it may make user namespaces: not in a container that forbids them";
}
