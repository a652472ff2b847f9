/**
 * The wall of namespaces around one host. From the outside in:
 *
 *   bash       enters the control group, closes what it was not given, becomes nice, becomes:
 *   bwrap      new namespaces, an empty read-only root, no rights, dies with the kernel's process; in it, as processes 1 and 2 of their own count:
 *   bwrap      reaps; prlimit, under the filter of system calls, sets resource limits and becomes:
 *   program    the host
 *
 * Descriptors 4 to 6 carry bubblewrap's options, the filter and the program's bytes; it closes them before the host runs.
 */
import type { ChildProcess } from "node:child_process";
import type { Writable } from "node:stream";
import { type HostProgram, SessionNice, startChild, type Wall, type Walled } from "@vnes/driver-host";
import type { Confinement, Platform } from "@vnes/kernel";
import { bwrapCommand } from "./bwrap-arguments.ts";
import { type Cgroup, type CgroupPlace, openCgroup } from "./cgroup.ts";
import { endFamily } from "./family.ts";
import type { Tools } from "./tools.ts";
import { StoppedFamily } from "./stopped-family.ts";
import { overMemory, Watchdog } from "./watchdog.ts";

const OPTIONS_FD = 4;
const FILTER_FD = 5;
const BYTES_FD = 6;
/** `EX_OSERR` of sysexits.h. */
const EXIT_NO_WALL = 71;

/** Arguments: the last descriptor to keep, how many control groups, their files, then what to become. */
const LAUNCHER = `
keep=$1 groups=$2; shift 2
for (( ; groups > 0; groups-- )); do echo 0 >"$1" || exit ${EXIT_NO_WALL}; shift; done
for fd in /proc/$$/fd/*; do fd=\${fd##*/}; if (( fd > keep )); then eval "exec $fd>&-"; fi; done
exec "$@"`;

export interface WallParts {
  readonly tools: Tools;
  /** The filter of system calls, assembled. */
  readonly filter: Uint8Array;
  readonly keeps: Platform["keeps"];
  readonly cgroups: CgroupPlace | undefined;
}

export function openWall(confinement: Confinement, parts: WallParts): Wall {
  return {
    start(program) {
      let cgroup: Cgroup | undefined;
      try {
        cgroup = parts.cgroups && openCgroup(parts.cgroups, confinement);
        return new WalledHost(program, confinement, parts, cgroup);
      } catch (cause) {
        void cgroup?.remove();
        const reason = cause instanceof Error ? cause.message : String(cause);
        const child = failing(parts.tools, `Error: no wall for it: ${reason}`);
        return {
          child,
          makeNicer: () => undefined,
          kill: () => void child.kill("SIGKILL"),
          ended: () => undefined,
        };
      }
    },
  };
}

class WalledHost implements Walled {
  readonly child: ChildProcess;
  readonly #confinement: Confinement;
  readonly #cgroup: Cgroup | undefined;
  readonly #watchdog: Watchdog | undefined;
  readonly #session: SessionNice | undefined;
  readonly #stopped: StoppedFamily | undefined;
  #killedBecause: string | undefined;

  constructor(program: HostProgram, confinement: Confinement, parts: WallParts, cgroup: Cgroup | undefined) {
    const { keeps } = parts;
    this.#confinement = confinement;
    this.#cgroup = cgroup;
    this.child = start(program, confinement, parts, cgroup);
    // A bubblewrap that is killed before it is ready may leave the half of it inside behind, with our pipes.
    this.child.once("exit", () => {
      this.#session?.end();
      cgroup?.end();
    });
    const { pid } = this.child;
    if (pid === undefined) return;
    if (keeps.cpu === "watchdog") this.#session = new SessionNice(pid);
    this.#session?.set(confinement.nice);
    this.#stopped = new StoppedFamily(pid);
    if (!Object.values(keeps).includes("watchdog")) return;
    const kill = (because: string): void => {
      this.#killedBecause ??= because;
      this.kill();
    };
    this.#watchdog = new Watchdog({ pid, stopped: this.#stopped, confinement, keeps, kill });
  }

  makeNicer(more: number): void {
    const nice = this.#confinement.nice + more;
    this.#session?.set(nice);
    this.#cgroup?.weigh(nice);
  }

  kill(): void {
    const { pid } = this.child;
    // No pid: it was never started. An end that was told already: the number may be another's.
    if (pid !== undefined && this.child.exitCode === null && this.child.signalCode === null) endFamily(pid);
  }

  rest(isResting: boolean): void {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    if (isResting) this.#stopped?.stop("budget");
    else this.#stopped?.goOn("budget");
  }

  ended(): string | undefined {
    this.#watchdog?.end();
    const kills = this.#cgroup?.memoryKills() ?? 0;
    void this.#cgroup?.remove();
    return kills > 0 ? overMemory(this.#confinement.memoryMb) : this.#killedBecause;
  }
}

function start(
  program: HostProgram,
  confinement: Confinement,
  { tools, filter }: WallParts,
  cgroup: Cgroup | undefined,
): ChildProcess {
  const descriptors = { filter: FILTER_FD, bytes: BYTES_FD };
  const { options, command } = bwrapCommand(program, confinement, descriptors, tools.prlimit);
  const joins = cgroup?.joins ?? [];
  const last = program.bytes === undefined ? FILTER_FD : BYTES_FD;
  const given = [String(last), String(joins.length), ...joins];
  const wall = [tools.bwrap, "--args", String(OPTIONS_FD), "--", ...command];
  const nice = [tools.nice, "-n", String(confinement.nice)];
  const child = startChild(
    tools.bash,
    ["--norc", "--noprofile", "-c", LAUNCHER, "wall", ...given, ...nice, ...wall],
    { env: {}, pipes: last },
  );
  give(child, OPTIONS_FD, Buffer.from(options.map((option) => `${option}\0`).join("")));
  give(child, FILTER_FD, filter);
  if (program.bytes !== undefined) give(child, BYTES_FD, program.bytes);
  return child;
}

function give(child: ChildProcess, descriptor: number, bytes: Uint8Array): void {
  const pipe = child.stdio[descriptor] as Writable | null | undefined;
  // Who does not read it dies, and its end says why.
  pipe?.on("error", () => undefined);
  pipe?.end(bytes);
}

/** A child that says why there is none. */
function failing({ bash }: Tools, reason: string): ChildProcess {
  const said = ["-c", `echo "$1" >&2; exit ${EXIT_NO_WALL}`, "wall", reason];
  return startChild(bash, ["--norc", "--noprofile", ...said], { env: {}, pipes: 3 });
}
