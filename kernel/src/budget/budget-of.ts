/** The budget of a capsule: what policy says for its zone. */
import type { Policy, TrustZone } from "@vnes/schemas";
import type { Budget } from "./budget.ts";

/** Long enough for a burst of real work to pass, short enough that an endless one does not fill the machine. */
const DEFAULT_PATIENCE_MS = 30_000;

/** Undefined where policy sets none: then usage is only counted. */
export function budgetOf(zone: TrustZone, policy: Policy): Budget | undefined {
  const rules = policy.budgets?.[zone];
  if (rules === undefined) return undefined;
  const rates = {
    ...(rules.turns_per_s === undefined ? {} : { turns: rules.turns_per_s }),
    ...(rules.messages_per_s === undefined ? {} : { messages: rules.messages_per_s }),
    ...(rules.kb_per_s === undefined ? {} : { bytes: rules.kb_per_s * 1_024 }),
    ...(rules.cpu_ms_per_s === undefined ? {} : { cpu: rules.cpu_ms_per_s }),
  };
  return {
    rates,
    ...(rules.memory_mb === undefined ? {} : { memoryBytes: rules.memory_mb * 1_024 * 1_024 }),
    patienceMs: rules.patience_ms ?? DEFAULT_PATIENCE_MS,
    ...(rules.resume_after_ms === undefined ? {} : { resumeAfterMs: rules.resume_after_ms }),
  };
}
