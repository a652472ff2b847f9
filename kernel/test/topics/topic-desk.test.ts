import assert from "node:assert/strict";
import { test } from "node:test";
import { LedgerMemory, MemoryClock } from "@vnes/driver-memory";
import fc from "fast-check";
import { DEADLETTER_TOPIC } from "../../src/bus/kernel-topics.ts";
import { firstAtOrAfter } from "../../src/runtime/topics/event-age.ts";
import { encodeRecord } from "../../src/ledger/record.ts";
import type { LedgerStore } from "../../src/ports/ledger-store.ts";
import { letters, noted, noter, numbers, reader, TOPIC } from "../harness/topic-capsules.ts";
import { bootTopics, type TopicNode } from "../harness/topic-harness.ts";

const closed = { type: "object", required: ["n"], properties: { n: { type: "integer" } } } as const;

async function published(node: TopicNode, key: string, n: unknown): Promise<unknown> {
  const [done] = await Promise.all([node.node.topics.publish(TOPIC, key, { n } as never), node.settle()]);
  return done;
}

test("a person's event is checked, and is in its partition exactly once, whatever dies when", async () => {
  const memory = new LedgerMemory();
  const clock = new MemoryClock();
  const capsules = [noter(noted({ schemas: [closed] })), reader()];
  const node = await bootTopics(capsules, { memory, clock });
  const { partition, source } = (await published(node, "k", 1)) as { partition: number; source: string };
  assert.equal(partition, 0);
  assert.match(source, /^kernel\/test:\d+:0$/);
  await assert.rejects(published(node, "k", "x"), {
    code: "TOPIC_EVENT_INVALID",
    message: `the event for ${TOPIC} is refused at /n: must be integer`,
  });
  await assert.rejects(async () => node.node.topics.publish("test.none.v1", "", 1), {
    code: "TOPIC_UNKNOWN",
  });
  assert.deepEqual(await node.got(), [1]);
  await node.close();
  // The kernel's outbox is released again at a boot; the partition knows what it has.
  const again = await bootTopics(capsules, { memory, clock });
  assert.equal((await again.records(`topic/${TOPIC}/0`)).length, 1);
  assert.deepEqual(await again.got(), [1]);
  await again.close();
});

test("half a surrogate pair is no key, neither a person's nor a capsule's", async () => {
  const node = await bootTopics([noter(), reader()]);
  await assert.rejects(node.node.topics.publish(TOPIC, "a\ud83d", { n: 1 }), {
    code: "TOPIC_EVENT_INVALID",
    message: `the event for ${TOPIC} is refused at its key: it holds half a surrogate pair`,
  });
  const answer = await node.ask("test.noter", "note", { key: "a\ude00", event: { n: 1 } });
  assert.equal((answer as { code?: string }).code, "TURN_EVENT_INVALID");
  assert.deepEqual(await node.records(`topic/${TOPIC}/0`), []);
  await node.close();
});

test("nobody publishes for the kernel: its own topics are refused by name", async () => {
  const node = await bootTopics([noter(), letters]);
  const forged = node.node.topics.publish(DEADLETTER_TOPIC, "k", { seq: 1, code: "X", attempts: 1 });
  await assert.rejects(forged, { code: "TOPIC_OF_KERNEL", message: /vnes\.deadletter\.v1 holds what/ });
  assert.deepEqual(await node.records(`topic/${DEADLETTER_TOPIC}/0`), []);
  await node.close();
});

test("events are read from a seq or a time, a page at a time, and a question waits for what comes", async () => {
  const node = await bootTopics([noter()]);
  const { topics } = node.node;
  for (const n of [0, 1, 2]) {
    await node.notes(2, 2 * n);
    node.clock.advance(1_000);
  }
  const read = async (from: { seq: number } | { time: number }, limit = 64): Promise<unknown[]> => {
    const { events } = await topics.read({ topic: TOPIC, partition: 0, from, limit, waitMs: 0 });
    return events.map(({ event }) => (event as { n: number }).n);
  };
  assert.deepEqual(await read({ seq: 1 }), numbers(0, 6));
  assert.deepEqual(await read({ seq: 3 }, 2), [2, 3]);
  assert.deepEqual(await read({ seq: 9 }), []);
  const { events } = await topics.read({ topic: TOPIC, partition: 0, from: { seq: 3 }, limit: 1, waitMs: 0 });
  assert.deepEqual(await read({ time: events[0]?.at ?? 0 }), [2, 3, 4, 5]);
  assert.deepEqual(await read({ time: (events[0]?.at ?? 0) + 1 }), [4, 5]);
  assert.deepEqual(await read({ time: 0 }), numbers(0, 6));
  const waiting = topics.read({ topic: TOPIC, partition: 0, from: { seq: 7 }, limit: 1, waitMs: 5_000 });
  await node.notes(1, 6);
  assert.deepEqual(
    (await waiting).events.map(({ seq }) => seq),
    [7],
  );
  const silent = topics.read({ topic: TOPIC, partition: 0, from: { seq: 8 }, limit: 1, waitMs: 5_000 });
  await node.settle();
  node.clock.advance(5_000);
  assert.deepEqual(await silent, { events: [], next: 8, last: 7 });
  await assert.rejects(topics.read({ topic: TOPIC, partition: 1, from: { seq: 1 }, limit: 1, waitMs: 0 }), {
    code: "TOPIC_PARTITION_UNKNOWN",
  });
  await node.close();
});

test("a topic is shown with its subscribers' places; one that blocks and is full takes no event of a person", async () => {
  const slow = reader({ topic: TOPIC, rate_per_s: 1, buffer: 2 });
  const node = await bootTopics([noter(noted({ flow: { policy: "block", buffer: 9 } })), slow]);
  await node.notes(6);
  const { topics } = node.node;
  const [place] = (await topics.show(TOPIC)).places;
  const { shard, position, lag, buffer, ratePerS, delivered } = place ?? {};
  assert.deepEqual(
    { shard, position, lag, buffer, ratePerS, delivered },
    { shard: "test.reader/0", position: 1, lag: 5, buffer: 2, ratePerS: 1, delivered: 1 },
  );
  const [summary] = await topics.list();
  assert.deepEqual(
    [summary?.held, summary?.events, summary?.version, summary?.subscribers[0]?.lag],
    [true, 6, 1, 5],
  );
  await assert.rejects(topics.publish(TOPIC, "", { n: 1 }), {
    code: "TOPIC_HELD",
    message: /test\.reader\/0/,
  });
  await node.close();
});

test("replay delivers kept events to one subscriber again, from a seq or a time, and survives a restart", async () => {
  const memory = new LedgerMemory();
  const clock = new MemoryClock();
  const other = reader(TOPIC, { id: "test.other" });
  const capsules = [noter(), reader(), other];
  const node = await bootTopics(capsules, { memory, clock });
  await node.notes(5);
  const asked = { topic: TOPIC, capsule: "test.reader", partition: undefined } as const;
  const done = await node.node.topics.replay({ ...asked, from: { seq: 4 } });
  assert.deepEqual(done, [{ shard: "test.reader/0", partition: 0, from: 4, events: 2 }]);
  await node.settle();
  assert.deepEqual(await node.got(), [0, 1, 2, 3, 4, 3, 4]);
  assert.deepEqual(await node.got("test.other"), numbers(0, 5));
  // Suspended, the new place is kept until it goes on.
  await node.node.suspend("test.reader");
  await node.node.topics.replay({ ...asked, from: { time: 0 } });
  await node.settle();
  await node.close();
  const again = await bootTopics(capsules, { memory, clock });
  await again.settle();
  assert.deepEqual(await again.got(), [0, 1, 2, 3, 4, 3, 4, 0, 1, 2, 3, 4]);
  await assert.rejects(again.node.topics.replay({ ...asked, capsule: "test.noter", from: { seq: 1 } }), {
    code: "TOPIC_NOT_SUBSCRIBED",
  });
  await again.close();
});

test("a replay from a place ahead of the subscriber is refused, and leaves out nothing", async () => {
  const slow = reader({ topic: TOPIC, rate_per_s: 1 });
  const node = await bootTopics([noter(), slow]);
  await node.notes(6);
  const { topics } = node.node;
  const position = async (): Promise<unknown> =>
    (await topics.show(TOPIC)).places.map((place) => place.position);
  assert.deepEqual(await position(), [1]);
  const asked = { topic: TOPIC, capsule: "test.reader", partition: undefined } as const;
  for (const from of [{ seq: 3 }, { seq: 9 }, { time: node.clock.now() + 1 }]) {
    await assert.rejects(topics.replay({ ...asked, from }), { code: "TOPIC_REPLAY_AHEAD" });
    assert.deepEqual(await position(), [1]);
  }
  // What comes next anyway is no place ahead.
  await topics.replay({ ...asked, from: { seq: 2 } });
  for (let second = 0; second < 6; second++) {
    node.clock.advance(1_000);
    await node.settle();
  }
  assert.deepEqual(await node.got(), numbers(0, 6));
  assert.equal((await topics.replay({ ...asked, from: { seq: 7 } }))[0]?.events, 0);
  // Who has everything has not had what was never written.
  await assert.rejects(topics.replay({ ...asked, from: { seq: 8 } }), { code: "TOPIC_REPLAY_AHEAD" });
  assert.deepEqual(await position(), [6]);
  await node.close();
});

test("the first event at or after a time is found wherever it is, also where the beginning was dropped", async () => {
  const times = fc.array(fc.nat(5), { minLength: 1, maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(times, fc.nat(120), fc.nat(39), async (steps, time, dropped) => {
      let at = 0;
      const kept = steps
        .map((step, index) => ({ seq: index + 1, at: (at += step) }))
        .filter(({ seq }) => seq > Math.min(dropped, steps.length - 1));
      const source = { shard: "a/0", seq: 1, index: 0 };
      const store = {
        read: async (shard: string, from: number, limit: number) =>
          kept
            .filter(({ seq }) => seq >= from)
            .slice(0, limit)
            .map((one) => ({
              shard,
              seq: one.seq,
              bytes: encodeRecord({ v: 1, kind: "event", ...one, source, key: "", event: null }),
              hash: new Uint8Array(32),
            })),
      } as unknown as LedgerStore;
      const found = await firstAtOrAfter(store, "topic/a.v1/0", steps.length, time);
      const expected = kept.find((one) => one.at >= time)?.seq ?? steps.length + 1;
      assert.equal(found, expected);
    }),
  );
});
