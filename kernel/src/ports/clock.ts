/** Node time. Wall time only at boot, then boot time, sleep included; jumps of the wall clock are reported, not followed. */
export interface Clock {
  /** Milliseconds since the epoch as a whole number; never goes back within a process. */
  now(): number;
  /** Calls back once, at or after node time `at`. The returned function cancels. */
  wakeAt(at: number, wake: () => void): () => void;
  /** Goes on from `at` if it is behind it, so that nothing recorded lies in the future. Asked once, at boot. */
  notBefore(at: number): void;
  /** Told when somebody set the wall clock, and by how many milliseconds. */
  onWallJump(listener: (ms: number) => void): void;
}
