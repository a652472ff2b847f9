/**
 * A deadline is wall time: nothing else interrupts an isolate. What it is there to bound is the capsule's own work, and a call that had little of
 * the processor until then says more of the machine than of the capsule. It may go on once more, for as long as the deadline's work takes
 * at the share it had.
 */

/** At a larger share it had nearly what it was promised, and who loops for ever must not cost its neighbours more than once. */
const BUSY_SHARE = 1 / 2;
/** Deadlines that the second try lasts at most: others wait for it, in its host and behind it in its partition. `sandbox-host.ts` counts on it. */
export const MOST_DEADLINES = 3;

/** Milliseconds for the second try; undefined when there is none. `cpuMs`: of the thread, in the call that met its deadline. */
export function secondDeadlineMs(deadlineMs: number, cpuMs: number): number | undefined {
  if (cpuMs >= deadlineMs * BUSY_SHARE) return undefined;
  return Math.ceil(deadlineMs * Math.min(MOST_DEADLINES, deadlineMs / cpuMs));
}
