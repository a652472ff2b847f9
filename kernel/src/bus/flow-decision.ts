/** What a policy capsule may answer when it is asked what a subscriber that lags should get. */
import type { Json } from "@vnes/schemas";
import type { FlowRule } from "./flow.ts";

const POLICIES: ReadonlySet<unknown> = new Set(["block", "shed", "aggregate"]);
const SHEDS: ReadonlySet<unknown> = new Set(["oldest", "newest", "lowest_priority"]);
const AGGREGATES: ReadonlySet<unknown> = new Set(["latest_per_key", "batch"]);

/**
 * The rule with what the answer `{ policy, shed?, aggregate? }` says; undefined when it says nothing that can be done here:
 * another shape, a priority nobody defined, batches for a subscriber of single events.
 */
export function decidedRule(rule: FlowRule, answer: Json, takesBatches: boolean): FlowRule | undefined {
  if (typeof answer !== "object" || answer === null || Array.isArray(answer)) return undefined;
  const {
    policy,
    shed = rule.shed,
    aggregate = rule.aggregate,
  } = answer as { readonly [field: string]: Json };
  if (!POLICIES.has(policy) || !SHEDS.has(shed) || !AGGREGATES.has(aggregate)) return undefined;
  if (policy === "shed" && shed === "lowest_priority" && rule.priority === undefined) return undefined;
  if (policy === "aggregate" && aggregate === "batch" && !takesBatches) return undefined;
  return { ...rule, policy, shed, aggregate } as FlowRule;
}
