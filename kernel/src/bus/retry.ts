/**
 * Is a delivery run again after its turn failed, and when: a kept event, or the start of a capsule.
 *
 * A deterministic capsule (D0, D1) fails again on the same event: it is tried again only where the machine may be to blame.
 * Whatever killed a sandbox host has run twice already.
 */
import type { DeterminismTier } from "@vnes/schemas";

const FIRST_MS = 100;
/** What is behind the event waits with it; longer than this, a person should look at it. */
const MAX_MS = 5_000;
/** A capsule whose start is given up is down until the next boot, and that waits for it. */
const START_RETRIES = 3;
/** A busy machine can bring these about. */
const OF_THE_MACHINE: ReadonlySet<string> = new Set(["TURN_DEADLINE", "TURN_MEMORY"]);
/** Nothing about them changes while the image does not. */
const FINAL: ReadonlySet<string> = new Set(["TURN_KILLED_HOST", "TURN_HANDLER_MISSING"]);

/** Milliseconds to wait before the next try; undefined when there is none. `failed` counts the tries so far. */
export function retryDelayMs(failure: {
  readonly code: string;
  readonly tier: DeterminismTier;
  readonly failed: number;
  readonly retries: number;
}): number | undefined {
  const { code, tier, failed, retries } = failure;
  if (failed > retries || FINAL.has(code)) return undefined;
  const isDeterministic = tier === "D0_bit_exact" || tier === "D1_numerically_stable";
  if (isDeterministic && !OF_THE_MACHINE.has(code)) return undefined;
  return delayMs(failed);
}

/** The same for a start turn: whatever the tier, only where the machine may be to blame. */
export function startDelayMs(code: string, failed: number): number | undefined {
  return failed > START_RETRIES || !OF_THE_MACHINE.has(code) ? undefined : delayMs(failed);
}

function delayMs(failed: number): number {
  return Math.min(MAX_MS, FIRST_MS * 2 ** (failed - 1));
}
