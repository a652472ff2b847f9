/**
 * Limits where no control group keeps them: it looks at the processes of a host at intervals, ends what holds too much memory or too many
 * threads, and stops for a while what used too much processor time. Between two looks a host can go beyond its limits; what a control
 * group keeps is not looked at.
 */
import type { Confinement, Platform } from "@vnes/kernel";
import { familyOf, signal } from "./family.ts";
import { readOr } from "./read-or.ts";

const LOOK_EVERY_MS = 50;
/** Processor time is counted in these (USER_HZ, 100 a second on Linux). */
const TICK_MS = 10;
/** What a host did not use it may use later, up to this: the start of a runtime is more than its share. */
const SAVED_MS = 500;

export interface WatchdogOptions {
  /** The process the kernel started; what it started is found from it. */
  readonly pid: number;
  readonly confinement: Confinement;
  readonly keeps: Platform["keeps"];
  /** Ends the host. */
  kill(because: string): void;
}

interface Usage {
  readonly memoryKb: number;
  readonly threads: number;
  readonly cpuMs: number;
}

export class Watchdog {
  readonly #options: WatchdogOptions;
  readonly #timer: NodeJS.Timeout;
  #lookedAt: number = performance.now();
  #cpuMs = 0;
  /** Processor time it may still use; negative: it waits. */
  #creditMs: number = SAVED_MS;
  #stopped: readonly number[] = [];

  constructor(options: WatchdogOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS);
    this.#timer.unref();
  }

  end(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const { pid, confinement, keeps, kill } = this.#options;
    const { memoryMb, pids, cpuPercent } = confinement;
    const family = familyOf(pid);
    const used = family.map(usageOf).reduce(sum, { memoryKb: 0, threads: 0, cpuMs: 0 });
    if (keeps.memory === "watchdog" && used.memoryKb > memoryMb * 1024) return kill(overMemory(memoryMb));
    if (keeps.pids === "watchdog" && used.threads > pids)
      return kill(`it had more than its ${pids} processes and threads`);
    if (keeps.cpu === "watchdog") this.#slow(family, used.cpuMs, cpuPercent);
  }

  #slow(family: readonly number[], cpuMs: number, cpuPercent: number): void {
    const now = performance.now();
    const earnedMs = ((now - this.#lookedAt) * cpuPercent) / 100;
    this.#creditMs = Math.min(SAVED_MS, this.#creditMs + earnedMs - (cpuMs - this.#cpuMs));
    this.#lookedAt = now;
    this.#cpuMs = cpuMs;
    if (this.#creditMs < 0 && this.#stopped.length === 0) {
      // The one the kernel started stays awake: it hears that the kernel is gone.
      this.#stopped = family.slice(1);
      for (const pid of this.#stopped) signal(pid, "SIGSTOP");
    } else if (this.#creditMs >= 0) {
      for (const pid of this.#stopped) signal(pid, "SIGCONT");
      this.#stopped = [];
    }
  }
}

export function overMemory(memoryMb: number): string {
  return `it used more than its ${memoryMb} MiB of memory`;
}

function usageOf(pid: number): Usage {
  const status = readOr(`/proc/${pid}/status`, "");
  const number = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1] ?? 0);
  // Behind the name, which may hold anything: state is the first field, user and system time the 12th and 13th.
  const stat = readOr(`/proc/${pid}/stat`, "").split(") ").at(-1)?.split(" ") ?? [];
  return {
    memoryKb: number("VmRSS") + number("VmSwap"),
    threads: number("Threads"),
    cpuMs: (Number(stat[11] ?? 0) + Number(stat[12] ?? 0)) * TICK_MS,
  };
}

function sum(a: Usage, b: Usage): Usage {
  return {
    memoryKb: a.memoryKb + b.memoryKb,
    threads: a.threads + b.threads,
    cpuMs: a.cpuMs + b.cpuMs,
  };
}
