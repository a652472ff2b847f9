/** How long to wait before the nth try: doubling, bounded. No jitter: there is one kernel, not a thundering herd. */
export interface BackOff {
  readonly firstMs: number;
  readonly maxMs: number;
}

/** `attempt` counts from 0. */
export function delayMs(backOff: BackOff, attempt: number): number {
  return Math.min(backOff.maxMs, backOff.firstMs * 2 ** Math.min(attempt, 30));
}
