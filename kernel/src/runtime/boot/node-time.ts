/** Node time at boot: taken up where the ledger left it, and every doubt about the wall clock reported. */
import { kernelErrors } from "../../errors.ts";
import type { Counters } from "../node/counters.ts";
import { diagnostic, type KernelShard } from "../node/kernel-shard.ts";
import type { NodeParts } from "../node/parts.ts";
import type { RecoveredShard } from "./recovery.ts";

/** Less is what two readings of a clock may differ by. */
const CLOCK_BEHIND_NOTICED_MS = 1_000;

/**
 * What is recorded is never in the future, and a clock that somebody sets is reported, not followed. Returns by how many
 * milliseconds node time was moved forward.
 */
export function keepTime(
  { clock, log }: NodeParts,
  recovered: ReadonlyMap<string, RecoveredShard>,
  kernel: KernelShard,
  counters: Counters,
): number {
  const report = (code: "CLOCK_JUMPED" | "CLOCK_BEHIND_LEDGER", ms: number): void => {
    const error = kernelErrors.create(code, { ms });
    counters.add("clock.reported");
    log.warn({ code, remedy: error.remedy }, error.message);
    kernel.report(diagnostic("clock", "", error));
  };
  let newest = 0;
  for (const { state } of recovered.values()) newest = Math.max(newest, state.at);
  const behind = Math.max(0, newest - clock.now());
  clock.notBefore(newest);
  if (behind >= CLOCK_BEHIND_NOTICED_MS) report("CLOCK_BEHIND_LEDGER", behind);
  clock.onWallJump((ms) => report("CLOCK_JUMPED", ms));
  return behind;
}
