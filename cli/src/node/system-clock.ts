/**
 * The real clock behind the kernel's port: wall time once, then the time since boot with sleep included.
 *
 * 1. `now` never goes back and does not follow a wall clock that is set; that it was set is told.
 * 2. A machine that slept did not stop: what a monotonic clock leaves out is added from the time since boot.
 */
import { uptime } from "node:os";
import type { Clock } from "@vnes/kernel";

/** setTimeout takes no more; a later wake-up is set in steps. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
/** Time since boot is read in steps of 10 ms, so less than this is the reading, not a sleep. */
const SLEEP_NOTICED_MS = 1000;
/** A wall clock that is kept by NTP is slewed by far less between two looks. */
const JUMP_NOTICED_MS = 1000;
/** How often both are looked at; a sleep or a jump is noticed so late at most, timers apart. */
const CHECK_MS = 1000;

/** Readings in milliseconds. */
export interface TimeSources {
  wall(): number;
  /** Since the process began; may stand still while the machine sleeps. */
  monotonic(): number;
  /** Since the machine started, sleep included. */
  sinceBoot(): number;
}

const SYSTEM: TimeSources = {
  wall: () => Date.now(),
  monotonic: () => performance.now(),
  sinceBoot: () => uptime() * 1000,
};

export class SystemClock implements Clock {
  readonly #sources: TimeSources;
  readonly #offset: number;
  #base: number;
  #sleptMs = 0;
  #checkedAt: number;
  /** Wall time less node time at the last look. */
  #ahead = 0;
  #onWallJump: (ms: number) => void = () => {};

  constructor(sources: TimeSources = SYSTEM) {
    this.#sources = sources;
    const monotonic = sources.monotonic();
    this.#base = sources.wall() - monotonic;
    this.#checkedAt = monotonic;
    this.#offset = sources.sinceBoot() - monotonic;
  }

  now(): number {
    const monotonic = this.#sources.monotonic();
    if (monotonic - this.#checkedAt >= CHECK_MS) this.#check(monotonic);
    return Math.floor(this.#base + monotonic + this.#sleptMs);
  }

  notBefore(at: number): void {
    const behind = at - this.now();
    if (behind <= 0) return;
    this.#base += behind;
    this.#ahead -= behind;
  }

  onWallJump(listener: (ms: number) => void): void {
    this.#onWallJump = listener;
  }

  wakeAt(at: number, wake: () => void): () => void {
    let timer: NodeJS.Timeout;
    const arm = (): void => {
      const left = at - this.now();
      timer = setTimeout(
        () => (this.now() >= at ? wake() : arm()),
        Math.min(Math.max(0, left), LONGEST_TIMER_MS),
      );
    };
    arm();
    return () => clearTimeout(timer);
  }

  #check(monotonic: number): void {
    this.#checkedAt = monotonic;
    const slept = this.#sources.sinceBoot() - monotonic - this.#offset;
    if (slept > this.#sleptMs + SLEEP_NOTICED_MS) this.#sleptMs = slept;
    const ahead = this.#sources.wall() - (this.#base + monotonic + this.#sleptMs);
    const jumpMs = Math.round(ahead - this.#ahead);
    this.#ahead = ahead;
    if (Math.abs(jumpMs) >= JUMP_NOTICED_MS) this.#onWallJump(jumpMs);
  }
}
