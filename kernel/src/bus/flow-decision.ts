/** What a policy capsule may answer when it is asked what a subscriber that lags should get. */
import type { Json } from "@vnes/schemas";
import type { FlowRule } from "./flow.ts";

const POLICIES: ReadonlySet<unknown> = new Set(["block", "shed", "aggregate"]);
const SHEDS: ReadonlySet<unknown> = new Set(["oldest", "newest", "lowest_priority"]);
const AGGREGATES: ReadonlySet<unknown> = new Set(["latest_per_key", "batch"]);

/** Of a value that is none of those above, for a person: enough to find it. */
const MAX_SHOWN_CHARS = 60;

export type Decided = { readonly rule: FlowRule } | { readonly problem: string };

/**
 * The rule with what the answer `{ policy, shed?, aggregate? }` says; why not when it says nothing that can be done here:
 * another shape, a priority nobody defined, batches for a subscriber of single events.
 */
export function decidedRule(rule: FlowRule, answer: Json, takesBatches: boolean): Decided {
  if (typeof answer !== "object" || answer === null || Array.isArray(answer))
    return { problem: `it answered ${shown(answer)}, and not {policy, shed?, aggregate?}` };
  const {
    policy,
    shed = rule.shed,
    aggregate = rule.aggregate,
  } = answer as { readonly [field: string]: Json };
  const problem =
    otherThan(POLICIES, "policy", policy) ??
    otherThan(SHEDS, "shed", shed) ??
    otherThan(AGGREGATES, "aggregate", aggregate);
  if (problem !== undefined) return { problem };
  if (policy === "shed" && shed === "lowest_priority" && rule.priority === undefined)
    return { problem: "shed is lowest_priority, and flow in the topic's definition names no priority" };
  if (policy === "aggregate" && aggregate === "batch" && !takesBatches)
    return { problem: "aggregate is batch, and the subscriber takes single events" };
  return { rule: { ...rule, policy, shed, aggregate } as FlowRule };
}

function otherThan(known: ReadonlySet<unknown>, field: string, value: Json | undefined): string | undefined {
  if (known.has(value)) return undefined;
  return `${field} is ${shown(value)}, and none of ${[...known].join(", ")}`;
}

function shown(value: Json | undefined): string {
  const text = value === undefined ? "missing" : JSON.stringify(value);
  return text.length <= MAX_SHOWN_CHARS ? text : `${text.slice(0, MAX_SHOWN_CHARS).toWellFormed()}...`;
}
