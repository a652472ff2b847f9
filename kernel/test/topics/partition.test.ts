/** A partition and those who wait for it: one that fails is counted, and keeps nobody else from hearing. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as settled } from "node:timers/promises";
import type { VnesError } from "@vnes/schemas";
import { Partition } from "../../src/runtime/topics/partition.ts";

type Parts = ConstructorParameters<typeof Partition>[0];

function opened(append: () => Promise<void>): {
  partition: Partition;
  counted: string[];
  broken: VnesError[];
} {
  const counted: string[] = [];
  const broken: VnesError[] = [];
  const log = {
    seq: 0,
    append: (records: readonly { seq: number; key: string; event: null }[], encoded: Function) => {
      const durable = append();
      for (const record of records) encoded(record, new Uint8Array(32), 10);
      log.seq += records.length;
      return durable;
    },
    durable: async () => undefined,
  };
  const parts = {
    shard: "t.v1/0",
    topic: "t.v1",
    index: 0,
    log,
    store: {},
    clock: { now: () => 1 },
    counters: { add: (name: string) => counted.push(name) },
    state: { at: 0, seq: 0, watermarks: new Map(), snapshot: undefined },
    snapshots: { ready: () => undefined, landed: () => undefined },
    broken: (problem: VnesError) => broken.push(problem),
  };
  return { partition: new Partition(parts as unknown as Parts), counted, broken };
}

const eventOf = (turn: number, done: (lost?: unknown) => void): Parameters<Partition["append"]>[0] => ({
  source: { shard: "t.a/0", seq: turn, index: 0 },
  key: "",
  event: null,
  done,
});

test("a reader that throws is counted; other readers and all publishers are told", async () => {
  const { partition, counted } = opened(async () => undefined);
  const told: unknown[] = [];
  partition.onEvents(() => {
    throw new Error("a bug");
  });
  partition.onEvents(() => told.push("reader"));
  partition.append(
    eventOf(1, () => {
      throw new Error("a bug");
    }),
  );
  partition.append(eventOf(2, (lost) => told.push(lost)));
  await settled();
  assert.deepEqual(told, ["reader", undefined]);
  assert.deepEqual(counted, ["topic.listenerFailed", "topic.listenerFailed"]);
  assert.equal(partition.lastSeq, 2);
});

test("an append that throws is told to its publishers and once to people, and nothing is taken to be kept after it (P2)", async () => {
  const bug = new Error(`a bug ${"!".repeat(1_000)}`);
  const { partition, broken } = opened(() => {
    throw bug;
  });
  const told: unknown[] = [];
  partition.append(eventOf(1, (lost) => told.push(lost)));
  await settled();
  // The same effect again: its watermark has risen, and it is in no log.
  partition.append(eventOf(1, (lost) => told.push(lost)));
  await settled();
  const [problem] = broken;
  assert.equal(broken.length, 1);
  assert.deepEqual(told, [problem, problem]);
  assert.equal(partition.problem, problem);
  assert.deepEqual([problem?.code, problem?.cause], ["TOPIC_PARTITION_BROKEN", bug]);
  const says = /^a fault in the kernel: partition 0 of t\.v1 takes no more events \(a bug !{494}\)$/;
  assert.match(problem?.message ?? "", says);
  assert.equal(partition.lastSeq, 0);
});
