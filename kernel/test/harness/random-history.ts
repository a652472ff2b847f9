/** Random histories of one shard: turns that write, expire, call, answer, set timers, consume and publish, in any order. */
import type { Delivery, Effect } from "@vnes/schemas";
import fc from "fast-check";
import type { LedgerRecord, TurnInput, TurnRecord } from "../../src/ledger/record.ts";
import type { ShardState } from "../../src/ledger/shard-state.ts";

/** What one record will be made of; `pick` chooses among what the state has when its turn comes. */
export interface Step {
  readonly input:
    | "kernel"
    | "topic"
    | "effect"
    | "call"
    | "timer"
    | "answer"
    | "expiry"
    | "activation"
    | "fact";
  readonly effects: readonly Effect[];
  readonly answers: boolean;
  readonly pick: number;
  readonly released: number;
  readonly failed: boolean;
}

const key = fc.integer({ min: 0, max: 60 }).map((n) => `k/${n}`);

const effect: fc.Arbitrary<Effect> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant("write" as const), key, value: fc.jsonValue({ maxDepth: 1 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("write" as const),
      key,
      value: fc.string(),
      ttlMs: fc.integer({ min: 1, max: 50 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("delete" as const), key }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("setTimer" as const),
      id: fc.constantFrom("t", "u", "v"),
      at: fc.nat(),
      payload: fc.constant({ why: "later" }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("cancelTimer" as const), id: fc.constantFrom("t", "u") }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("publish" as const),
      topic: fc.constant("x.v1"),
      key: fc.string({ maxLength: 2 }),
      event: fc.integer(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("call" as const),
      tag: fc.constant("t"),
      capability: fc.constant("c"),
      method: fc.constant("m"),
      input: fc.constant({ big: "x".repeat(100) }),
      context: fc.constant(null),
      timeoutMs: fc.integer({ min: 1, max: 100 }),
    }),
  },
) as fc.Arbitrary<Effect>;

export const step: fc.Arbitrary<Step> = fc.record({
  input: fc.constantFrom(
    ...(["kernel", "topic", "effect", "call", "timer", "answer", "expiry", "activation", "fact"] as const),
  ),
  effects: fc.array(effect, { maxLength: 5 }),
  answers: fc.boolean(),
  pick: fc.nat(),
  released: fc.nat({ max: 6 }),
  failed: fc.boolean(),
});

/** The next record of a shard in this state. */
export function recordOf(state: ShardState, step: Step): LedgerRecord {
  const seq = state.seq + 1;
  const at = Math.max(state.at, 1_000) + (step.pick % 7);
  const common = { v: 1, seq, at } as const;
  const released = Math.max(seq - 1 - step.released, 0);
  if (step.input === "activation")
    return { ...common, kind: "activation", image: `sha256:${step.pick}`, version: "1.0.0" };
  if (step.input === "fact") {
    const fact = { type: "denied", capsule: "c", image: `sha256:${step.pick % 5}`, reason: `${step.pick}` };
    return {
      ...common,
      kind: "kernel",
      fact,
      effects: step.effects.filter((one) => one.do === "publish"),
      released,
    };
  }
  const picked = <Name>(names: Iterable<Name>): Name | undefined => {
    const all = [...names];
    return all[step.pick % Math.max(all.length, 1)];
  };
  const effects = step.failed ? [] : [...step.effects];
  const open = picked(state.open.keys());
  if (step.answers && open !== undefined)
    effects.push({ do: "answer", callId: open, answer: { ok: true, value: 1 } });
  const outcome: TurnRecord["outcome"] = step.failed ? { failed: "TURN_HANDLER_THREW", message: "no" } : "ok";
  return {
    ...common,
    kind: "turn",
    seed: "00",
    input: inputOf(state, step, picked),
    outcome,
    effects,
    released,
  };
}

function inputOf(
  state: ShardState,
  { input, pick }: Step,
  picked: <Name>(names: Iterable<Name>) => Name | undefined,
): TurnInput {
  const start: Delivery = { kind: "start", config: null, resumed: false };
  const byValue = (delivery: Delivery): TurnInput => ({ from: "kernel", depth: 0, delivery });
  const source = { shard: `other/${pick % 3}`, seq: state.seq + 1, index: pick % 4, depth: 1 };
  if (input === "topic") {
    const shard = `topic/x.v1/${pick % 3}`;
    return { from: "topic", shard, seq: (state.positions.get(shard) ?? 0) + 1, hash: "00" };
  }
  if (input === "effect") return { from: "effect", ...source, delivery: start };
  if (input === "call") {
    const callId = `other/0:${state.seq + 1}:0`;
    const asked = { capability: "c", method: "m", input: 1, caller: "other", deadlineAt: 5_000 };
    return { from: "effect", ...source, delivery: { kind: "call", callId, ...asked } };
  }
  const timer = picked(state.timers.keys());
  if (input === "timer" && timer !== undefined)
    return { from: "timer", delivery: { kind: "timer", id: timer, dueAt: 0, payload: null } };
  const expiring = picked(state.expiries.keys());
  if (input === "expiry" && expiring !== undefined) {
    const version = state.versions.get(expiring) ?? 0;
    return { from: "timer", delivery: { kind: "expiry", key: expiring, version, dueAt: 0 } };
  }
  const callId = picked(state.pending.keys());
  if (input === "answer" && callId !== undefined)
    return byValue({ kind: "answer", callId, tag: "t", context: null, answer: { ok: true, value: null } });
  return byValue(start);
}

/** The same steps for the same seed. */
export function randomSteps(count: number, seed: number): readonly Step[] {
  return fc.sample(step, { numRuns: count, seed });
}
