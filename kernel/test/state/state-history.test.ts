/** State back in time against a dumb model: every state of a random ledger kept whole, and looked up. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LedgerMemory, MemoryClock, MemoryLedgerStore } from "@vnes/driver-memory";
import type { Effect, Json } from "@vnes/schemas";
import fc from "fast-check";
import type { LedgerRecord } from "../../src/ledger/record.ts";
import { applyRecord, emptyShard } from "../../src/ledger/shard-state.ts";
import { Counters } from "../../src/runtime/node/counters.ts";
import { ShardLog } from "../../src/runtime/ledger/shard-log.ts";
import { ShardSnapshots } from "../../src/runtime/ledger/shard-snapshots.ts";
import { Turnstile } from "../../src/runtime/shard/turnstile.ts";
import { type Moment, StateHistory } from "../../src/runtime/state/state-history.ts";
import { digest } from "../harness/shard-harness.ts";

const SHARD = "test.box/0";
type Values = ReadonlyMap<string, { readonly value: Json; readonly version: number }>;

interface Step {
  readonly kind: "turn" | "failed" | "expiry" | "activation" | "event";
  readonly effects: readonly (readonly [key: string, value: Json | undefined])[];
  readonly key: string;
  readonly later: number;
}

const key = fc.constantFrom("a", "a/1", "b", "c");
const value = fc.oneof(fc.integer({ min: 0, max: 3 }), fc.constant({ x: [1, null] }));
const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom("turn", "turn", "turn", "failed", "expiry", "activation", "event"),
  effects: fc.array(fc.tuple(key, fc.option(value, { nil: undefined, freq: 3 })), { maxLength: 3 }),
  key,
  later: fc.integer({ min: 0, max: 3 }),
});

/** One record, and what the keys are after it. */
function recordOf(step: Step, seq: number, at: number, before: Values): [LedgerRecord, Values] {
  const base = { v: 1, seq, at } as const;
  if (step.kind === "activation")
    return [{ ...base, kind: "activation", image: `sha256:${seq}`, version: "1.0.0" }, before];
  const turn = { ...base, kind: "turn", seed: "0".repeat(16), outcome: "ok", released: seq - 1 } as const;
  const call = {
    kind: "call",
    callId: `x/0:${seq}:0`,
    capability: "c",
    method: "m",
    input: 1,
    caller: "x",
    deadlineAt: 9,
  } as const;
  const input = { from: "control", depth: 0, delivery: call } as const;
  const after = new Map(before);
  if (step.kind === "failed")
    return [{ ...turn, input, outcome: { failed: "X_Y", message: "" }, effects: [] }, before];
  const found = before.get(step.key);
  if (step.kind === "expiry" && found !== undefined) {
    after.delete(step.key);
    const delivery = { kind: "expiry", key: step.key, version: found.version, dueAt: at } as const;
    return [
      { ...turn, input: { from: "timer", delivery }, effects: [{ do: "delete", key: step.key }] },
      after,
    ];
  }
  const effects = step.effects.map(([name, to]): Effect => {
    if (to === undefined) after.delete(name);
    else after.set(name, { value: to, version: seq });
    return to === undefined ? { do: "delete", key: name } : { do: "write", key: name, value: to };
  });
  if (step.kind !== "event") return [{ ...turn, input, effects }, after];
  return [{ ...turn, input: { from: "topic", shard: "topic/t.v1/0", seq, hash: "" }, effects }, after];
}

interface Written {
  readonly history: StateHistory;
  /** After record n, at index n; before the first one at 0. */
  readonly states: readonly Values[];
  readonly times: readonly number[];
  readonly memory: LedgerMemory;
}

async function write(steps: readonly Step[]): Promise<Written> {
  const [memory, clock] = [new LedgerMemory(), new MemoryClock()];
  const store = new MemoryLedgerStore(memory);
  const log = new ShardLog({ shard: SHARD, store, digest, clock, onStall: () => {} }, undefined);
  const states: Values[] = [new Map()];
  const times = [0];
  for (const [index, one] of steps.entries()) {
    const at = (times.at(-1) as number) + one.later + (index === 0 ? 1 : 0);
    const [record, after] = recordOf(one, index + 1, at, states.at(-1) as Values);
    states.push(after);
    times.push(at);
    await log.append([record]);
  }
  return { history: new StateHistory(store, digest), states, times, memory };
}

const plain = (values: Values | undefined): Json =>
  [...(values ?? [])]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { value: is, version }]) => [name, is, version]);

const steps = fc.array(step, { minLength: 1, maxLength: 30 });

test("at a record, and at a time, a shard held what the records up to there add up to", async () => {
  await fc.assert(
    fc.asyncProperty(steps, fc.integer({ min: 0, max: 40 }), async (all, somewhere) => {
      const { history, states, times } = await write(all);
      const seq = (somewhere % all.length) + 1;
      const told = await history.at(SHARD, { seq }, { prefix: "" });
      assert.deepEqual([told.seq, told.at], [seq, times[seq]]);
      assert.deepEqual(told.values, plain(states[seq]));
      const last = times.findLastIndex((at) => at <= somewhere);
      const then = await history.at(SHARD, { at: somewhere }, { prefix: "" });
      assert.equal(then.seq, last);
      assert.deepEqual(then.values, plain(states[last]));
    }),
    { numRuns: 150 },
  );
});

test("the history of a key, page by page, is every change of it: each deletion of what was there, each write", async () => {
  await fc.assert(
    fc.asyncProperty(steps, key, fc.integer({ min: 1, max: 4 }), async (all, name, limit) => {
      const { history, states } = await write(all);
      const expected: Json[] = [];
      for (let seq = 1; seq < states.length; seq++) {
        const [was, is] = [states[seq - 1]?.get(name), states[seq]?.get(name)];
        if (is !== undefined && is.version === seq) expected.unshift([seq, is.value]);
        else if (was !== undefined && is === undefined) expected.unshift([seq, null]);
      }
      const found: Json[] = [];
      let before: number | null = Number.MAX_SAFE_INTEGER;
      while (before !== null) {
        const page = await history.history(SHARD, name, { limit, before });
        assert.ok(page.changes.length <= limit);
        for (const { seq, change, value: to } of page.changes)
          found.push([seq, change === "written" ? to : null]);
        before = page.next;
      }
      assert.deepEqual(found, expected);
    }),
    { numRuns: 150 },
  );
});

test("the difference of two moments, either way round, is every key whose value is another", async () => {
  await fc.assert(
    fc.asyncProperty(steps, fc.nat(60), fc.nat(60), async (all, one, other) => {
      const { history, states } = await write(all);
      const [from, to] = [(one % all.length) + 1, (other % all.length) + 1];
      const told = await history.diff(SHARD, from, to, {});
      const [was, is] = [states[from] as Values, states[to] as Values];
      const names = [...new Set([...was.keys(), ...is.keys()])].sort();
      const expected = names.flatMap((name) => {
        const [before, after] = [was.get(name) ?? null, is.get(name) ?? null];
        if (JSON.stringify(before?.value) === JSON.stringify(after?.value)) return [];
        const difference = before === null ? "added" : after === null ? "removed" : "changed";
        return [{ key: name, difference, before, after }];
      });
      assert.deepEqual(told.differences, expected);
      assert.equal(told.more, 0);
      const first = await history.diff(SHARD, from, to, { limit: 1 });
      assert.deepEqual(first.differences, expected.slice(0, 1));
      const rest = await history.diff(SHARD, from, to, { after: expected[0]?.key ?? "" });
      assert.equal(first.more + first.differences.length, expected.length);
      assert.deepEqual(rest.differences, expected.slice(1));
    }),
    { numRuns: 150 },
  );
});

test("what is not there is refused by name: no such shard, a record to come, a damaged one, too many walks", async () => {
  const turn = { kind: "turn", effects: [["a", 1]], key: "a", later: 1 } as const;
  const { history, memory } = await write([turn, turn, turn]);
  const ask = (moment: Moment, shard = SHARD): Promise<unknown> => history.at(shard, moment, { prefix: "" });
  await assert.rejects(ask({ seq: 1 }, "test.none/0"), { code: "STATE_SHARD_EMPTY" });
  await assert.rejects(ask({ seq: 4 }), { code: "STATE_SEQ_UNKNOWN" });
  await assert.rejects(history.diff(SHARD, 1, 9, {}), { code: "STATE_SEQ_UNKNOWN" });
  const walks = await Promise.allSettled([ask({ seq: 1 }), ask({ seq: 1 }), ask({ seq: 1 })]);
  assert.deepEqual(
    walks.map((walk) => (walk.status === "fulfilled" ? "ok" : (walk.reason as { code: string }).code)),
    ["ok", "ok", "STATE_BUSY"],
  );
  const bytes = memory.shards.get(SHARD)?.[1]?.bytes as Uint8Array;
  bytes[bytes.length - 3] = (bytes.at(-3) as number) ^ 1;
  await ask({ seq: 1 });
  await assert.rejects(ask({ seq: 2 }), { code: "LEDGER_HASH_WRONG" });
});

test("where older records are gone, the kept ones tell the same; before them, STATE_COMPACTED", async () => {
  const store = new MemoryLedgerStore();
  const clock = new MemoryClock();
  const state = emptyShard(SHARD);
  const log = new ShardLog({ shard: SHARD, store, digest, clock, onStall: () => {} }, undefined);
  const counters = new Counters();
  const policy = { minRecords: 3, minShare: 0 };
  const parts = { state, log, store, digest, counters, policy, turnstile: new Turnstile() };
  const snapshots = new ShardSnapshots({ ...parts, history: { maxRecords: 10, maxAgeMs: 1e9 } }, undefined);
  const states: Values[] = [new Map()];
  const times = [0];
  for (let n = 0; n < 60; n++) {
    const seq = state.seq + 1;
    const before = states.at(-1) as Values;
    const one: Step = {
      kind: "turn",
      effects: [[`k${n % 4}`, n % 5 === 4 ? undefined : n]],
      key: "",
      later: 0,
    };
    const [record, after] = recordOf(one, seq, n * 10, before);
    applyRecord(state, record);
    await log.append([record]);
    // A snapshot's own records change no key.
    while (states.length < seq) {
      states.push(before);
      times.push(times.at(-1) as number);
    }
    states.push(after);
    times.push(n * 10);
    for (let round = 0; round < 4; round++) await new Promise((resume) => setImmediate(resume));
  }
  await snapshots.close();
  const history = new StateHistory(store, digest);
  const oldest = (await store.firstSeq(SHARD)) - 1;
  assert.ok(oldest > 10, `only ${oldest} records were trimmed`);
  for (let seq = 1; seq < states.length; seq++) {
    const told = history.at(SHARD, { seq }, { prefix: "" });
    if (seq < oldest) await assert.rejects(told, { code: "STATE_COMPACTED" });
    else assert.deepEqual((await told).values, plain(states[seq]));
  }
  await assert.rejects(history.at(SHARD, { at: times[oldest - 2] as number }, { prefix: "" }), {
    code: "STATE_COMPACTED",
  });
  await assert.rejects(history.diff(SHARD, 1, undefined, {}), { code: "STATE_COMPACTED" });
  const page = await history.history(SHARD, "k0", {});
  assert.equal(page.since, oldest + 1);
  assert.ok(page.changes.length > 0);
  for (const { seq, value: to } of page.changes) {
    assert.ok(seq > oldest);
    assert.deepEqual(states[seq]?.get("k0")?.value ?? null, to);
  }
});

test("a long walk lets the node do its own work in between", async () => {
  const turn = { kind: "turn", effects: [["a", 1]], key: "a", later: 1 } as const;
  const { history } = await write(Array.from({ length: 1_500 }, () => turn));
  let rounds = 0;
  let walking = true;
  const other = (async () => {
    while (walking) {
      await new Promise((resume) => setImmediate(resume));
      rounds++;
    }
  })();
  await history.at(SHARD, { seq: 1_500 }, { prefix: "" });
  walking = false;
  await other;
  assert.ok(rounds >= 5, `the event loop turned ${rounds} times`);
});
