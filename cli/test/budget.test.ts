/** What a person reads of a capsule's budget. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { budgetLines, type BudgetInspection, resumptionLines } from "../src/output/budget.ts";

const AT = Date.UTC(2026, 4, 1, 12);
const inspected: BudgetInspection = {
  used: { turns: 163, messages: 326, bytes: 20_480, cpu: 48.4, memoryBytes: 1_048_576 },
  allowed: {
    rates: { turns: 20, cpu: 100 },
    memoryBytes: 41_943_040,
    patienceMs: 3_000,
    resumeAfterMs: 15_000,
  },
  slowed: null,
  over: null,
};
const USED = [
  "used",
  "163 turns, 326 messages, 20 KiB in and out, 48 ms of processor; 1.0 MiB of memory now",
];
const BUDGET = [
  "budget",
  "20 turns a second, 100 ms of processor a second, 40.0 MiB of memory; suspended for 15.0 s once slowed for 3.0 s",
];

test("what was used, what is allowed, and why and until when it waits", () => {
  assert.deepEqual(budgetLines(inspected), [USED, BUDGET]);
  assert.deepEqual(budgetLines({ ...inspected, slowed: { since: AT, by: "cpu" } }), [
    USED,
    BUDGET,
    [
      "slowed",
      "by its processor time since 2026-05-01 12:00:00 UTC; suspended at 2026-05-01 12:00:03 UTC if it goes on wanting more",
    ],
  ]);
  const over = { by: "memory", since: AT, suspendedAt: AT + 3_000 } as const;
  assert.deepEqual(budgetLines({ ...inspected, over }).slice(2), [
    ["over", "its memory; slowed since 2026-05-01 12:00:00 UTC, suspended at 2026-05-01 12:00:03 UTC"],
  ]);
  assert.deepEqual(resumptionLines("a.b", AT + 18_000, true), [
    ["resumed", "by policy at 2026-05-01 12:00:18 UTC; at once: vnes capsule resume a.b"],
  ]);
  assert.deepEqual(resumptionLines("a.b", null, true), [
    ["resumed", "not by policy; at once: vnes capsule resume a.b"],
  ]);
  assert.deepEqual(resumptionLines("a.b", AT, false), [
    ["resumed", "by itself at 2026-05-01 12:00:00 UTC; at once: vnes capsule resume a.b"],
  ]);
  assert.deepEqual(resumptionLines("a.b", null, false), []);
});

test("without a budget there is only what was used", () => {
  assert.deepEqual(budgetLines({ ...inspected, allowed: null }), [USED]);
});
