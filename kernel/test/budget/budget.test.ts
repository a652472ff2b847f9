/** What a capsule may use: the rules U1 to U3 for the pure part, then a node that slows, suspends and resumes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { capsule } from "@vnes/sdk";
import type { Json, Policy } from "@vnes/schemas";
import {
  allow,
  type Budget,
  type BudgetState,
  freshBudget,
  measured,
  METERED,
  spend,
} from "../../src/budget/budget.ts";
import { MemorySandbox } from "@vnes/driver-memory";
import type { OverBudget } from "../../src/runtime/node/budgets.ts";
import type { Usage } from "../../src/runtime/shard/capsule-budget.ts";
import {
  bootTestNode,
  manifestOf,
  policy,
  type TestCapsule,
  type TestNode,
} from "../harness/node-harness.ts";

const rate = fc.integer({ min: 1, max: 10_000 });
const budgets: fc.Arbitrary<Budget> = fc
  .record({ turns: rate, messages: rate, bytes: rate, cpu: rate }, { requiredKeys: [] })
  .map((rates) => ({ rates, patienceMs: Number.POSITIVE_INFINITY }));

/** Takes as many turns as it is allowed, each at `cost`, until `end`; what was used of each. */
function runGreedily(
  budget: Budget,
  cost: { readonly turns: number; readonly messages: number; readonly bytes: number; readonly cpu: number },
  end: number,
): { readonly used: { [item: string]: number }; readonly state: BudgetState } {
  let state = freshBudget(budget, 0);
  const used: { [item: string]: number } = { turns: 0, messages: 0, bytes: 0, cpu: 0 };
  for (let now = 0; now < end; ) {
    const next = allow(state, budget, now);
    state = next.state;
    if (next.allowance.kind === "exhausted") break;
    if (next.allowance.kind === "slowed") {
      assert.ok(next.allowance.until > now, "a wait that is none");
      now = next.allowance.until;
      continue;
    }
    const turns = Math.min(next.allowance.turns, 1);
    assert.ok(turns > 0);
    state = spend(state, cost);
    for (const item of METERED) used[item] = (used[item] ?? 0) + cost[item];
    // Where nothing that is spent has a rate it would never end.
    if (METERED.every((item) => budget.rates[item] === undefined || cost[item] === 0)) now += 1;
  }
  return { used, state };
}

test("over any span no more is used than rate, one burst and the last batch allow (U1)", () => {
  const cost = fc.record({
    turns: fc.constant(1),
    messages: fc.integer({ min: 0, max: 50 }),
    bytes: fc.integer({ min: 0, max: 5_000 }),
    cpu: fc.integer({ min: 0, max: 100 }),
  });
  fc.assert(
    fc.property(budgets, cost, fc.integer({ min: 1, max: 5_000 }), (budget, each, end) => {
      const { used } = runGreedily(budget, each, end);
      for (const item of METERED) {
        const allowed = budget.rates[item];
        if (allowed === undefined) continue;
        const most = Math.max(1, allowed) + (allowed * end) / 1_000 + each[item] + 1;
        assert.ok((used[item] ?? 0) <= most, `${item}: ${used[item]} of at most ${most}`);
      }
    }),
    { numRuns: 200 },
  );
});

test("one that stays within its rates is never slowed (U2)", () => {
  fc.assert(
    fc.property(rate, fc.integer({ min: 10, max: 300 }), (perSecond, steps) => {
      const budget: Budget = { rates: { turns: perSecond, bytes: perSecond }, patienceMs: 1 };
      let state = freshBudget(budget, 0);
      const stepMs = Math.ceil(1_000 / perSecond);
      for (let step = 1; step <= steps; step++) {
        const next = allow(state, budget, step * stepMs);
        assert.equal(next.allowance.kind, "free");
        assert.equal(next.state.slowed, undefined);
        state = spend(next.state, { turns: 1, bytes: 1 });
      }
    }),
  );
});

test("suspension needs patience without a break, and half a burst is a break (U3)", () => {
  const budget: Budget = { rates: { turns: 10 }, patienceMs: 5_000 };
  let state = spend(freshBudget(budget, 0), { turns: 10 });
  const at = (now: number): string => {
    const next = allow(state, budget, now);
    state = next.state;
    return next.allowance.kind;
  };
  assert.equal(at(0), "slowed");
  for (let now = 100; now < 5_000; now += 100) {
    if (at(now) === "free") state = spend(state, { turns: 1 });
  }
  assert.equal(at(4_999), "slowed");
  assert.equal(at(5_000), "free");
  state = spend(state, { turns: 1 });
  assert.equal(at(5_001), "exhausted");
  // The same with a pause of half a second before: the count begins anew.
  state = spend(freshBudget(budget, 0), { turns: 10 });
  assert.equal(at(0), "slowed");
  assert.equal(at(4_000), "free");
  assert.equal(state.slowed, undefined);
  state = spend(state, { turns: 10 });
  assert.equal(at(4_000), "slowed");
  assert.equal(at(5_000), "free");
});

test("over its memory a capsule gets one turn a second, until it gives memory back or patience ends", () => {
  const budget: Budget = { rates: {}, memoryBytes: 100, patienceMs: 3_000 };
  let state = measured(freshBudget(budget, 0), 101);
  const at = (now: number): string => {
    const next = allow(state, budget, now);
    state = next.state;
    return next.allowance.kind === "free" ? `free ${next.allowance.turns}` : next.allowance.kind;
  };
  assert.deepEqual([at(0), at(1), at(999), at(1_000)], ["free 1", "slowed", "slowed", "free 1"]);
  assert.equal(at(3_000), "exhausted");
  state = measured(state, 100);
  assert.equal(at(3_001), "free Infinity");
  assert.equal(state.slowed, undefined);
});

const worker: TestCapsule = {
  manifest: manifestOf("test.worker", {
    capabilities: { provides: ["test.worker"] },
    bus: { publishes: [] },
    state: { owns: ["n"] },
  }),
  spec: {
    "spec/schema.json": {
      $defs: { "test.worker.do.input": { type: "object" }, "test.worker.wide.input": { type: "object" } },
    },
  },
  bundle: () =>
    capsule({
      calls: {
        "test.worker.do": (turn) => {
          const n = ((turn.keys.get("n") as number | undefined) ?? 0) + 1;
          turn.keys.set("n", n);
          return n;
        },
        "test.worker.wide": (turn) => {
          for (let index = 0; index < 100; index++) turn.keys.set(`n${index}`, index);
          return 100;
        },
      },
    }),
};

const tight: Policy = {
  ...policy,
  budgets: { system: { turns_per_s: 10, patience_ms: 4_000, resume_after_ms: 20_000 } },
};

async function advance({ clock, settle }: TestNode, ms: number, stepMs = 100): Promise<void> {
  for (let passed = 0; passed < ms; passed += stepMs) {
    clock.advance(stepMs);
    await settle();
  }
}

interface Told {
  readonly used: Usage;
  readonly slowed: { readonly by: string } | null;
  readonly over: OverBudget | null;
}

async function used({ node }: TestNode): Promise<Told> {
  return ((await node.inspect("test.worker")) as unknown as { budget: Told }).budget;
}

async function resumesAt({ node }: TestNode): Promise<number | null> {
  return ((await node.inspect("test.worker")) as unknown as { resumesAt: number | null }).resumesAt;
}

test("a capsule over its budget is slowed, suspended with the reason, resumed by policy, and nothing is lost", async () => {
  const run = await bootTestNode({ capsules: [worker], parts: { policy: tight } });
  const { node } = run;
  const asked = Array.from({ length: 90 }, () => node.call("test.worker", "do", {}, 600_000));
  await advance(run, 1_000);
  const first = await used(run);
  // A burst of ten, ten more in the second, and the start turn.
  assert.ok(first.used.turns >= 15 && first.used.turns <= 22, JSON.stringify(first));
  assert.deepEqual([first.slowed?.by, first.over], ["turns", null]);
  const { counters } = await node.status();
  assert.equal(counters["capsule.slowed"], 1);

  await advance(run, 4_000);
  const { capsules, state, problems } = await node.status();
  assert.deepEqual([capsules[0]?.state, capsules[0]?.reason], ["suspended", "CAPSULE_OVER_BUDGET"]);
  assert.equal(state, "degraded");
  assert.equal(problems[0]?.code, "CAPSULE_DOWN");
  const suspended = await used(run);
  const before = suspended.used.turns;
  const { over } = suspended;
  assert.deepEqual([suspended.slowed, over?.by], [null, "turns"]);
  assert.equal(await resumesAt(run), over === null ? 0 : over.suspendedAt + 20_000);
  assert.ok(over !== null && over.suspendedAt - over.since >= 4_000, JSON.stringify(over));
  await advance(run, 10_000, 1_000);
  assert.equal((await used(run)).used.turns, before);

  await advance(run, 12_000, 1_000);
  assert.equal((await node.status()).capsules[0]?.state, "active");
  assert.equal((await node.status()).capsules[0]?.reason, "BUDGET_RENEWED");
  await advance(run, 30_000);
  const answers = await Promise.all(asked);
  assert.deepEqual(
    answers.map((answer) => answer.ok && answer.value),
    answers.map((_, index) => index + 1),
  );
  // It had enough to do until a moment ago, and nobody has asked since; what is told is as of now.
  await advance(run, 5_000, 1_000);
  const last = await used(run);
  assert.deepEqual([last.slowed, last.over], [null, null]);
  await node[Symbol.asyncDispose]();
});

const wide: Policy = {
  ...policy,
  budgets: { system: { messages_per_s: 10, patience_ms: 2_000, resume_after_ms: 3_000 } },
};

test("patience ends when it ends, however long the debt is, and only for a capsule that wants more (U3)", async () => {
  const run = await bootTestNode({ capsules: [worker], parts: { policy: wide } });
  const { node } = run;
  const stateNow = async (): Promise<unknown> => (await node.status()).capsules[0]?.state;
  // A debt of nine seconds, and nobody wants anything.
  const first = node.call("test.worker", "wide", {}, 600_000);
  await advance(run, 6_000);
  assert.equal(await stateNow(), "active");
  assert.equal((await node.status()).counters["capsule.slowed"], undefined);
  await first;
  const second = node.call("test.worker", "do", {}, 600_000);
  await advance(run, 1_900);
  assert.deepEqual([await stateNow(), (await used(run)).slowed?.by], ["active", "messages"]);
  await advance(run, 200);
  assert.equal(await stateNow(), "suspended");
  await advance(run, 3_000);
  assert.deepEqual(await second, { ok: true, value: 1 });
  await node[Symbol.asyncDispose]();
});

test("a resumption that fails leaves the capsule suspended, and policy tries again", async () => {
  const sandbox = new MemorySandbox(
    { "test.worker": worker.bundle as never },
    // By hand in its group and alone, then alone.
    { openFailsAt: new Set([2, 3, 4]) },
  );
  const run = await bootTestNode({ capsules: [worker], parts: { policy: wide, sandbox } });
  const { node } = run;
  const stateNow = async (): Promise<unknown> => (await node.status()).capsules[0]?.state;
  const asked = ["wide", "do"].map((method) => node.call("test.worker", method, {}, 600_000));
  await advance(run, 2_500);
  assert.equal(await stateNow(), "suspended");
  await assert.rejects(node.resume("test.worker"), { code: "CAPSULE_ENDS_HOST" });
  const due = (await resumesAt(run)) as number;
  assert.equal(await stateNow(), "suspended");
  await advance(run, 3_000);
  assert.deepEqual([await stateNow(), await resumesAt(run)], ["suspended", due + 3_000]);
  await advance(run, 4_000);
  assert.equal(await stateNow(), "active");
  assert.deepEqual(
    (await Promise.all(asked)).map(({ ok }) => ok),
    [true, true],
  );
  await node[Symbol.asyncDispose]();
});

test("without resume_after_ms a person resumes it, and it starts with a full budget", async () => {
  const byHand: Policy = { ...tight, budgets: { system: { turns_per_s: 10, patience_ms: 1_000 } } };
  const run = await bootTestNode({ capsules: [worker], parts: { policy: byHand } });
  const { node } = run;
  const asked = Array.from({ length: 45 }, () => node.call("test.worker", "do", {}, 600_000));
  await advance(run, 2_000);
  assert.equal((await node.status()).capsules[0]?.state, "suspended");
  await advance(run, 120_000, 10_000);
  assert.equal((await node.status()).capsules[0]?.state, "suspended");
  const before = (await used(run)).used.turns;
  await node.resume("test.worker");
  await advance(run, 500);
  const burst = (await used(run)).used.turns - before;
  assert.ok(burst >= 10 && burst <= 16, `${burst} turns in half a second`);
  await advance(run, 400);
  assert.equal((await node.status()).capsules[0]?.state, "active");
  await advance(run, 3_000);
  await node.resume("test.worker");
  await advance(run, 2_000);
  const values = (await Promise.all(asked)).map((answer) => answer.ok && answer.value);
  assert.deepEqual(
    values,
    values.map((_, index) => index + 1),
  );
  await node[Symbol.asyncDispose]();
});

test("without a budget usage is counted and nothing is held", async () => {
  const run = await bootTestNode({ capsules: [worker] });
  const { node } = run;
  const asked = Array.from({ length: 500 }, () => node.call("test.worker", "do", {}, 600_000));
  await run.settle();
  await Promise.all(asked);
  const { budget } = (await node.inspect("test.worker")) as {
    budget: { used: { turns: number; messages: number }; allowed: Json };
  };
  assert.deepEqual([budget.used.turns, budget.used.messages, budget.allowed], [501, 1_000, null]);
  await node[Symbol.asyncDispose]();
});
