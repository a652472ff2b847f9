import assert from "node:assert/strict";
import { test } from "node:test";
import { LedgerMemory, MemoryClock } from "@vnes/driver-memory";
import type { NodeParts } from "@vnes/kernel";
import { capsule } from "@vnes/sdk";
import type { TopicDefinition } from "@vnes/schemas";
import {
  bootTestNode,
  manifestOf,
  policy,
  type TestCapsule,
  type TestNode,
  topicOf,
} from "../harness/node-harness.ts";

const SOURCE = "test.source/0";
const SINK = "test.sink/0";
const TOPIC = "topic/test.made.v1/0";
const KERNEL = "kernel/test";

/** Makes what it is told to: keys and events. */
function source(retention: TopicDefinition["retention"]): TestCapsule {
  return {
    manifest: manifestOf("test.source", {
      capabilities: { provides: ["test.source"] },
      bus: { publishes: ["test.made.v1"] },
      state: { owns: ["n/"] },
    }),
    spec: {
      "spec/schema.json": { $defs: { "test.source.make.input": {}, "test.source.keys.input": {} } },
      "spec/topics/test.made.v1.json": topicOf("test.made.v1", "test.source", {
        quality: "exactly_once",
        retention,
        flow: { policy: "block", buffer: 100_000 },
      }),
    },
    bundle: () =>
      capsule({
        calls: {
          "test.source.make": (turn, input) => {
            const n = input as number;
            turn.keys.set(`n/${n % 10}`, { n, filler: "x".repeat(100) });
            turn.publish("test.made.v1", "k", { n });
            return n;
          },
          "test.source.keys": (turn) => turn.keys.entries("n/").length,
        },
      }),
  };
}

/** Counts what it hears. */
const sink: TestCapsule = {
  manifest: manifestOf("test.sink", {
    capabilities: { provides: ["test.sink"] },
    bus: { subscribes: ["test.made.v1"] },
    state: { owns: ["sum", "count"] },
  }),
  spec: { "spec/schema.json": { $defs: { "test.sink.get.input": {} } } },
  bundle: () =>
    capsule({
      calls: { "test.sink.get": (turn) => [turn.keys.get("count") ?? 0, turn.keys.get("sum") ?? 0] },
      events: {
        "test.made.v1": (turn, event) => {
          const { n } = event as { n: number };
          turn.keys.set("count", ((turn.keys.get("count") as number | undefined) ?? 0) + 1);
          turn.keys.set("sum", ((turn.keys.get("sum") as number | undefined) ?? 0) + n);
        },
      },
    }),
};

const often: Partial<NodeParts> = {
  snapshots: { minRecords: 20, minShare: 0 },
  policy: { ...policy, retention: { history_records: 40, history_age_ms: 1_000_000_000 } },
};

async function boot(
  memory: LedgerMemory,
  clock: MemoryClock,
  more: Partial<Parameters<typeof bootTestNode>[0]> = {},
): Promise<TestNode> {
  return await bootTestNode({
    capsules: [source({ max_events: 30 }), sink],
    memory,
    clock,
    parts: often,
    ...more,
  });
}

async function make(node: TestNode, from: number, count: number): Promise<void> {
  for (let n = from; n < from + count; n++) {
    void node.node.call("test.source", "make", n, 100_000);
    if (n % 10 === 9) await node.settle();
  }
  await node.settle();
}

function kept(memory: LedgerMemory, shard: string): { first: number; last: number; count: number } {
  const records = memory.shards.get(shard) ?? [];
  return { first: records[0]?.seq ?? 0, last: records.at(-1)?.seq ?? 0, count: records.length };
}

const sum = (count: number): number => (count * (count - 1)) / 2;

test("under endless load every shard stays bounded, and nothing is lost or counted twice over restarts", async () => {
  const memory = new LedgerMemory();
  const clock = new MemoryClock();
  let made = 0;
  const sizes: number[] = [];
  for (let round = 0; round < 8; round++) {
    const node = await boot(memory, clock);
    await make(node, made, 100);
    made += 100;
    assert.deepEqual(await node.ask("test.sink", "get", null), { ok: true, value: [made, sum(made)] });
    assert.deepEqual(await node.ask("test.source", "keys", null), { ok: true, value: 10 });
    const { counters, ledger } = await node.node.status();
    const [topic] = await node.node.topics.list();
    const { firstSeqs } = await node.node.topics.show("test.made.v1");
    const held = [SOURCE, SINK, TOPIC, KERNEL].map((shard) => kept(memory, shard));
    const all = (of: "count" | "last"): number => held.reduce((total, one) => total + one[of], 0);
    assert.deepEqual([ledger.kept, ledger.records], [all("count"), all("last")]);
    assert.deepEqual([topic?.kept, topic?.events, firstSeqs], [held[2]?.count, made, [held[2]?.first]]);
    assert.equal(counters["snapshot.failed"], undefined);
    assert.equal(counters["trim.failed"], undefined);
    await node.node[Symbol.asyncDispose]();
    for (const shard of [SOURCE, SINK, TOPIC]) assert.ok(kept(memory, shard).last >= made, shard);
    const records = [SOURCE, SINK, TOPIC, KERNEL].map((shard) => kept(memory, shard).count);
    for (const count of records.slice(0, 2)) assert.ok(count <= 140, records.join(", "));
    const chunks = [...memory.chunks.values()].reduce((total, one) => total + one.size, 0);
    sizes.push(chunks + records.reduce((total, count) => total + count, 0));
  }
  const [early, late] = [Math.max(...sizes.slice(2, 5)), Math.max(...sizes.slice(5))];
  assert.ok(late <= early * 1.2, `what is kept grows: ${sizes.join(", ")}`);
});

test("events stay while a subscriber has not had them, whatever retention says, and go once its history has (E1)", async () => {
  const memory = new LedgerMemory();
  const clock = new MemoryClock();
  const node = await boot(memory, clock);
  await make(node, 0, 50);
  await node.node.suspend("test.sink");
  await make(node, 50, 300);
  const { positions } = { positions: kept(memory, TOPIC) };
  assert.equal(positions.first, 1, "an event was dropped that its subscriber still needs");
  await node.node.resume("test.sink");
  await node.settle();
  assert.deepEqual(await node.ask("test.sink", "get", null), { ok: true, value: [350, sum(350)] });
  await make(node, 350, 300);
  assert.deepEqual(await node.ask("test.sink", "get", null), { ok: true, value: [650, sum(650)] });
  const { first, last } = kept(memory, TOPIC);
  assert.ok(first > 300, `the topic begins at ${first}`);
  assert.ok(last - first + 1 >= 30, "retention is a promise as well");
  // Every kept record of the subscriber finds its event.
  for (const { bytes } of memory.shards.get(SINK) ?? []) {
    const record = JSON.parse(new TextDecoder().decode(bytes)) as { input?: { from: string; seq: number } };
    if (record.input?.from === "topic")
      assert.ok(record.input.seq >= first, "a kept reference leads nowhere");
  }
  await node.node[Symbol.asyncDispose]();
});

test("events stay for a subscriber that has had none yet (E1)", async () => {
  const memory = new LedgerMemory();
  const node = await boot(memory, new MemoryClock());
  await node.node.suspend("test.sink");
  await make(node, 0, 300);
  assert.equal(kept(memory, TOPIC).first, 1);
  await node.node.resume("test.sink");
  await node.settle();
  assert.deepEqual(await node.ask("test.sink", "get", null), { ok: true, value: [300, sum(300)] });
  await node.node[Symbol.asyncDispose]();
});

test("events older than a topic keeps them go, younger ones stay (E1)", async () => {
  const memory = new LedgerMemory();
  const clock = new MemoryClock();
  const node = await boot(memory, clock, { capsules: [source({ max_age_ms: 1_000 }), sink] });
  await make(node, 0, 105);
  assert.equal(kept(memory, TOPIC).first, 1);
  clock.advance(5_000);
  await make(node, 105, 200);
  assert.deepEqual(await node.ask("test.sink", "get", null), { ok: true, value: [305, sum(305)] });
  assert.equal(kept(memory, TOPIC).first, 106);
  await node.node[Symbol.asyncDispose]();
});

test("a topic without retention keeps every event", async () => {
  const memory = new LedgerMemory();
  const node = await boot(memory, new MemoryClock(), { capsules: [source({}), sink] });
  await make(node, 0, 200);
  assert.equal(kept(memory, TOPIC).first, 1);
  assert.equal(kept(memory, TOPIC).last, 200);
  await node.node[Symbol.asyncDispose]();
});

test("a crash at any commit around snapshots and trims loses nothing and doubles nothing", async () => {
  for (let commit = 10; commit <= 130; commit += 3) {
    const memory = new LedgerMemory();
    const clock = new MemoryClock();
    const faults = { crashAtCommit: { commit, kept: commit % 2 === 0 } };
    const parts = { ...often, snapshots: { minRecords: 4, minShare: 0 } };
    const before = await Promise.race([boot(memory, clock, { faults, parts }), pause(400)]);
    if (before !== undefined) await Promise.race([make(before, 0, 60), pause(2_000)]);
    memory.holder = undefined;
    const after = await boot(memory, clock, { parts });
    await after.settle();
    const { value } = (await after.ask("test.sink", "get", null)) as { value: [number, number] };
    const [count, total] = value;
    // Calls ran in order, so what is there is a prefix of them.
    assert.equal(total, sum(count), `commit ${commit}: ${value.join(", ")}`);
    assert.equal(kept(memory, TOPIC).last, count, `commit ${commit}`);
    await after.node[Symbol.asyncDispose]();
  }
});

async function pause(rounds: number): Promise<undefined> {
  for (let round = 0; round < rounds; round++) await new Promise((resume) => setImmediate(resume));
}

test("a clean end leaves a snapshot, and the next boot folds next to nothing", async () => {
  const memory = new LedgerMemory();
  const clock = new MemoryClock();
  const parts = { snapshots: { minRecords: 1_000_000, minShare: 0 } };
  const node = await boot(memory, clock, { parts });
  await make(node, 0, 400);
  assert.equal(memory.snapshots.get(SOURCE), undefined);
  await node.node[Symbol.asyncDispose]();
  assert.equal(memory.snapshots.get(SOURCE), kept(memory, SOURCE).last);
  const again = await boot(memory, clock, { parts });
  const { ledger, counters } = await again.node.status();
  // A topic's snapshot would have ridden on its next event: there was none.
  assert.ok(ledger.sinceSnapshot - 400 < 60 && ledger.records > 800, JSON.stringify(ledger));
  assert.ok((ledger.bytes ?? 0) > 100_000, JSON.stringify(ledger));
  assert.equal(counters["snapshot.passedOver"], undefined);
  assert.deepEqual(await again.ask("test.sink", "get", null), { ok: true, value: [400, sum(400)] });
  await again.node[Symbol.asyncDispose]();
});
