/** What a policy capsule may decide, what is told of the rest, and how often. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryClock } from "@vnes/driver-memory";
import type { Json } from "@vnes/schemas";
import type { FlowRule } from "../../src/bus/flow.ts";
import { decidedRule } from "../../src/bus/flow-decision.ts";
import { Counters } from "../../src/runtime/node/counters.ts";
import { FlowReports } from "../../src/runtime/topics/flow-reports.ts";

const rule: FlowRule = {
  policy: "block",
  buffer: 5,
  shed: "newest",
  priority: undefined,
  aggregate: "latest_per_key",
};

test("a decision says policy, and shed and aggregate where they are not the topic's own", () => {
  assert.deepEqual(decidedRule(rule, { policy: "shed", shed: "oldest" }, false), {
    rule: { ...rule, policy: "shed", shed: "oldest" },
  });
  assert.deepEqual(decidedRule(rule, { policy: "aggregate", aggregate: "batch" }, true), {
    rule: { ...rule, policy: "aggregate", aggregate: "batch" },
  });
});

test("what cannot be carried out is named, at no length", () => {
  const problem = (answer: Json): string => {
    const decided = decidedRule(rule, answer, false);
    return "problem" in decided ? decided.problem : "none";
  };
  const long = `${"x".repeat(58)}\u{1f600}`;
  const told: { readonly [answer: string]: string } = {
    null: "it answered null, and not {policy, shed?, aggregate?}",
    '["shed"]': 'it answered ["shed"], and not {policy, shed?, aggregate?}',
    "{}": "policy is missing, and none of block, shed, aggregate",
    '{"policy":"drop"}': 'policy is "drop", and none of block, shed, aggregate',
    '{"policy":"shed","shed":"all"}': 'shed is "all", and none of oldest, newest, lowest_priority',
    '{"policy":"shed","aggregate":1}': "aggregate is 1, and none of latest_per_key, batch",
    '{"policy":"shed","shed":"lowest_priority"}':
      "shed is lowest_priority, and flow in the topic's definition names no priority",
    '{"policy":"aggregate","aggregate":"batch"}':
      "aggregate is batch, and the subscriber takes single events",
    // The cut falls within a pair.
    [JSON.stringify(long)]: `it answered "${"x".repeat(58)}\ufffd..., and not {policy, shed?, aggregate?}`,
  };
  for (const [answer, says] of Object.entries(told)) assert.equal(problem(JSON.parse(answer) as Json), says);
});

test("it is said once in ten seconds for each topic and subscriber", () => {
  const clock = new MemoryClock();
  const said: string[] = [];
  const reports = new FlowReports({
    counters: new Counters(),
    clock,
    report: ({ code, capsule, message }) => said.push(`${code} ${capsule} ${message.length < 700}`) > 0,
    ask: () => undefined,
  });
  const one = { by: "p", capsule: "a", topic: "t.v1", problem: "x".repeat(10_000) };
  for (let second = 0; second < 11; second++) {
    reports.unusable(one);
    clock.advance(1_000);
  }
  reports.unusable({ ...one, capsule: "b" });
  reports.unusable({ ...one, topic: "u.v1" });
  const told = (capsule: string): string => `FLOW_DECISION_UNUSABLE ${capsule} true`;
  assert.deepEqual(said, ["a", "a", "b", "a"].map(told));
});
