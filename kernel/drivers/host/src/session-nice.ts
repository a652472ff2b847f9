/**
 * The scheduler of Linux shares the processor among sessions first, and heeds the niceness of a process only within its own (sched(7),
 * "The autogroup feature"). Each host leads a session, so the session gets the niceness too. A process in a control group for processors
 * of its own has nothing of this.
 */
import { writeFileSync } from "node:fs";
import { constants, getPriority, setPriority } from "node:os";

const NICEST = constants.priority.PRIORITY_LOW;
/** Whoever is not root may change one such priority of the whole machine in a tenth of a second. */
const AGAIN_MS = 110;
const MAX_ATTEMPTS = 200;

/** More than this process is. `pid` has just been started, and has no threads yet that would be left as they are. */
export function makeNice(pid: number, nice: number): void {
  try {
    setPriority(pid, Math.min(NICEST, getPriority() + nice));
  } catch {
    // It is gone.
  }
}

/** The niceness of a session; `pid` leads it. */
export class SessionNice {
  readonly #file: string;
  #next: NodeJS.Timeout | undefined;

  constructor(pid: number) {
    this.#file = `/proc/${pid}/autogroup`;
  }

  set(nice: number): void {
    this.end();
    this.#attempt(nice, 0);
  }

  /** What was not yet set stays as it is: the number may become another's. */
  end(): void {
    clearTimeout(this.#next);
  }

  #attempt(nice: number, attempt: number): void {
    try {
      writeFileSync(this.#file, String(Math.min(NICEST, nice)), { flag: "r+" });
    } catch (cause) {
      // Anything else: the process is gone, or the machine has no such thing.
      if ((cause as NodeJS.ErrnoException).code !== "EAGAIN" || attempt === MAX_ATTEMPTS) return;
      // A little apart, so that hosts started together do not meet again each time.
      this.#next = setTimeout(() => this.#attempt(nice, attempt + 1), AGAIN_MS * (1 + Math.random()));
      this.#next.unref();
    }
  }
}
