/** Whether a difference is the capsule's fault: it says of itself that it comes out the same, and nobody put another image in its place. */
import type { DeterminismTier } from "@vnes/schemas";
import type { Difference } from "./output.ts";

const DETERMINISTIC: ReadonlySet<DeterminismTier> = new Set(["D0_bit_exact", "D1_numerically_stable"]);

export function isDiverged(
  difference: Difference | null,
  tier: DeterminismTier,
  against: object | undefined,
): boolean {
  return difference !== null && against === undefined && DETERMINISTIC.has(tier);
}
