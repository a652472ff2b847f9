import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  type Bucket,
  burstOf,
  type FlowRule,
  MAX_KEPT,
  MAX_KEPT_BYTES,
  type Queue,
  readyAt,
  refilled,
  thin,
} from "../../src/bus/flow.ts";
import { retryDelayMs } from "../../src/bus/retry.ts";

interface Numbered {
  readonly seq: number;
  readonly key: string;
  readonly event: { readonly p: number };
  readonly size: number;
}

const rule = (more: Partial<FlowRule>): FlowRule => ({
  policy: "shed",
  buffer: 3,
  shed: "newest",
  priority: "/p",
  aggregate: "latest_per_key",
  ...more,
});
const queueOf = (events: readonly (readonly [key: string, p: number])[], size = 1): Queue<Numbered> => ({
  kept: events.map(([key, p], index) => ({ event: { seq: index + 1, key, event: { p }, size }, skipped: 0 })),
  tail: 0,
});
const five = queueOf([
  ["a", 5],
  ["b", 1],
  ["a", 3],
  ["c", 1],
  ["a", 4],
]);
const shown = (queue: Queue<Numbered>): readonly unknown[] => [
  ...queue.kept.map(({ event, skipped }) => (skipped === 0 ? event.seq : [skipped, event.seq])),
  queue.tail,
];

test("each policy takes out what it says and keeps the order (F1)", () => {
  assert.deepEqual(shown(thin(five, rule({ shed: "newest" }))), [1, 2, 3, 2]);
  assert.deepEqual(shown(thin(five, rule({ shed: "oldest" }))), [[2, 3], 4, 5, 0]);
  assert.deepEqual(shown(thin(five, rule({ shed: "lowest_priority" }))), [1, [1, 3], [1, 5], 0]);
  const merged = thin(five, rule({ policy: "aggregate" }));
  assert.deepEqual([shown(merged), merged.merged, merged.shed], [[[1, 2], [1, 4], 5, 0], 2, 0]);
  const over = thin(five, rule({ policy: "aggregate", buffer: 2 }));
  assert.deepEqual([shown(over), over.merged, over.shed], [[[3, 4], 5, 0], 2, 1]);
  assert.deepEqual(shown(thin(five, rule({ buffer: 5 }))), [1, 2, 3, 4, 5, 0]);
  assert.equal(
    thin(queueOf(Array.from({ length: MAX_KEPT + 9 }, () => ["a", 1])), rule({ buffer: 1e6 })).kept.length,
    MAX_KEPT,
  );
});

test("of large events fewer are kept than the buffer has room for, by the same rule (F3)", () => {
  const events = Array.from({ length: 40 }, (_, index) => [String(index), index] as const);
  const large = queueOf(events, MAX_KEPT_BYTES / 16);
  for (const [more, first, last] of [
    [{ shed: "newest" }, 1, 16],
    [{ shed: "oldest" }, 25, 40],
    [{ shed: "lowest_priority" }, 25, 40],
    [{ policy: "aggregate" }, 25, 40],
  ] as const) {
    const { kept, shed, tail } = thin(large, rule({ ...more, buffer: 1_000 }));
    const seqs = kept.map(({ event }) => event.seq);
    assert.deepEqual([seqs[0], seqs.at(-1), seqs.length, shed], [first, last, 16, 24]);
    assert.equal(
      kept.reduce((sum, { skipped }) => sum + skipped, tail),
      24,
    );
  }
  // One is kept, however large.
  assert.equal(thin(queueOf(events, MAX_KEPT_BYTES * 2), rule({ buffer: 1_000 })).kept.length, 1);
});

test("thinned page by page or at once, nothing disappears uncounted and no more than the buffer is kept (F1-F3)", () => {
  const events = fc.array(fc.tuple(fc.constantFrom("a", "b", "c", "d"), fc.nat(3)), { maxLength: 40 });
  const rules = fc.record({
    policy: fc.constantFrom("shed", "aggregate"),
    buffer: fc.integer({ min: 1, max: 6 }),
    shed: fc.constantFrom("oldest", "newest", "lowest_priority"),
  });
  fc.assert(
    fc.property(events, rules, fc.integer({ min: 1, max: 7 }), (list, more, page) => {
      const whole = queueOf(list).kept;
      let queue: Queue<Numbered> = { kept: [], tail: 0 };
      let [shed, merged] = [0, 0];
      for (let from = 0; from < whole.length; from += page) {
        const [first, ...rest] = whole.slice(from, from + page);
        if (first === undefined) break;
        const next = { ...first, skipped: queue.tail };
        const thinned = thin({ kept: [...queue.kept, next, ...rest], tail: 0 }, rule(more));
        shed += thinned.shed;
        merged += thinned.merged;
        queue = thinned;
        assert.ok(queue.kept.length <= more.buffer);
      }
      const counted = queue.kept.reduce((sum, { skipped }) => sum + skipped, queue.tail);
      assert.equal(counted + queue.kept.length, list.length);
      assert.equal(shed + merged, counted);
      const seqs = queue.kept.map(({ event }) => event.seq);
      assert.deepEqual(
        seqs,
        [...seqs].sort((a, b) => a - b),
      );
      if (more.policy === "aggregate" && list.length > 0) assert.equal(seqs.at(-1), list.length);
      // The count in front of an event is the gap to the one before it.
      queue.kept.forEach(({ event, skipped }, index) =>
        assert.equal(event.seq - (seqs[index - 1] ?? 0) - 1, skipped),
      );
    }),
    { numRuns: 1_000 },
  );
});

test("a bucket lets no more through in any time than its rate and its burst", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 2_000 }),
      fc.array(fc.nat(400), { maxLength: 60 }),
      (rate, gaps) => {
        let bucket: Bucket = { tokens: burstOf(rate), at: 0 };
        let [now, taken] = [0, 0];
        for (const gap of gaps) {
          now += gap;
          bucket = refilled(bucket, rate, now);
          assert.ok(readyAt(bucket, rate) <= now === bucket.tokens >= 1);
          while (bucket.tokens >= 1) {
            bucket = { ...bucket, tokens: bucket.tokens - 1 };
            taken++;
          }
          const again = refilled(bucket, rate, readyAt(bucket, rate));
          assert.ok(again.tokens >= 1 - 1e-9);
        }
        assert.ok(taken <= (now * rate) / 1_000 + burstOf(rate) + 1e-6);
      },
    ),
  );
});

test("what a deterministic capsule failed at is not tried again, unless the machine may be to blame", () => {
  const tries = (code: string, tier: "D0_bit_exact" | "NX_experimental", retries = 3): number[] => {
    const delays: number[] = [];
    for (let failed = 1; ; failed++) {
      const delay = retryDelayMs({ code, tier, failed, retries });
      if (delay === undefined) return delays;
      delays.push(delay);
    }
  };
  assert.deepEqual(tries("TURN_HANDLER_THREW", "D0_bit_exact"), []);
  assert.deepEqual(tries("TURN_HANDLER_THREW", "NX_experimental"), [100, 200, 400]);
  assert.deepEqual(tries("TURN_DEADLINE", "D0_bit_exact", 1), [100]);
  assert.deepEqual(tries("TURN_KILLED_HOST", "NX_experimental"), []);
  assert.equal(tries("TURN_DEADLINE", "D0_bit_exact", 16).at(-1), 5_000);
  assert.deepEqual(tries("TURN_DEADLINE", "NX_experimental", 0), []);
});
