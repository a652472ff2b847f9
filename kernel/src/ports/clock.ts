/** Node time. Wall time only at boot, then boot time, sleep included; jumps of the wall clock are reported, not followed. */
export interface Clock {
  /** Milliseconds since the epoch as a whole number; never goes back within a process. */
  now(): number;
  /** Calls back once, at or after node time `at`. The returned function cancels. */
  wakeAt(at: number, wake: () => void): () => void;
}
