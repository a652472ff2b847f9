/**
 * Limits where no control group keeps them: it looks at the processes of a host at intervals, ends what holds too much memory or too many
 * threads, and stops for a while what used too much processor time. Between two looks a host can go beyond its limits; what a control
 * group keeps is not looked at.
 */
import type { Confinement, Platform } from "@vnes/kernel";
import { FamilyMeter } from "./family-meter.ts";
import type { StoppedFamily } from "./stopped-family.ts";

const LOOK_EVERY_MS = 50;
/** What a host did not use it may use later, up to this: the start of a runtime is more than its share. */
const SAVED_MS = 500;

export interface WatchdogOptions {
  /** The process the kernel started; what it started is found from it. */
  readonly pid: number;
  readonly stopped: StoppedFamily;
  readonly confinement: Confinement;
  readonly keeps: Platform["keeps"];
  /** Ends the host. */
  kill(because: string): void;
}

export class Watchdog {
  readonly #options: WatchdogOptions;
  readonly #timer: NodeJS.Timeout;
  readonly #meter: FamilyMeter;
  #lookedAt: number = performance.now();
  #cpuMs = 0;
  /** Processor time it may still use; negative: it waits. */
  #creditMs: number = SAVED_MS;

  constructor(options: WatchdogOptions) {
    this.#options = options;
    this.#meter = new FamilyMeter(options.pid);
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS);
    this.#timer.unref();
  }

  end(): void {
    clearInterval(this.#timer);
    this.#meter.end();
  }

  #look(): void {
    const { confinement, keeps, kill } = this.#options;
    const { memoryMb, pids, cpuPercent } = confinement;
    const used = this.#meter.usage();
    if (keeps.memory === "watchdog" && used.memoryKb > memoryMb * 1024) return kill(overMemory(memoryMb));
    if (keeps.pids === "watchdog" && used.threads > pids)
      return kill(`it had more than its ${pids} processes and threads`);
    if (keeps.cpu === "watchdog") this.#slow(used.cpuMs, cpuPercent);
  }

  #slow(cpuMs: number, cpuPercent: number): void {
    const now = performance.now();
    const earnedMs = ((now - this.#lookedAt) * cpuPercent) / 100;
    this.#creditMs = Math.min(SAVED_MS, this.#creditMs + earnedMs - (cpuMs - this.#cpuMs));
    this.#lookedAt = now;
    this.#cpuMs = cpuMs;
    const { stopped } = this.#options;
    if (this.#creditMs < 0) stopped.stop("share");
    else stopped.goOn("share");
  }
}

export function overMemory(memoryMb: number): string {
  return `it used more than its ${memoryMb} MiB of memory`;
}
