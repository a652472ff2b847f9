/**
 * The scheduler of Linux shares the processor among sessions first, and heeds the niceness of a process only within its own (sched(7),
 * "The autogroup feature"). Each host leads a session, so the session gets the niceness too. A process in a control group for processors
 * of its own has nothing of this.
 */
import { writeFileSync } from "node:fs";
import { constants, getPriority, setPriority } from "node:os";

/** More than this process is. `pid` has just been started, and has no threads yet that would be left as they are. */
export function makeNice(pid: number, nice: number): void {
  try {
    setPriority(pid, Math.min(constants.priority.PRIORITY_LOW, getPriority() + nice));
  } catch {
    // It is gone.
  }
}

/** Whoever is not root may change one such priority of the whole machine in a tenth of a second. */
const AGAIN_MS = 110;
const MAX_ATTEMPTS = 200;

/** `pid` has just been started and leads its session. */
export function makeSessionNice(pid: number, nice: number, attempt = 0): void {
  try {
    writeFileSync(`/proc/${pid}/autogroup`, String(nice), { flag: "r+" });
  } catch (cause) {
    // Anything else: the process is gone, or the machine has no such thing.
    if ((cause as NodeJS.ErrnoException).code !== "EAGAIN" || attempt === MAX_ATTEMPTS) return;
    // A little apart, so that hosts started together do not meet again each time.
    setTimeout(makeSessionNice, AGAIN_MS * (1 + Math.random()), pid, nice, attempt + 1).unref();
  }
}
