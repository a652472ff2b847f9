import assert from "node:assert/strict";
import { test } from "node:test";
import { LedgerMemory, MemoryClock } from "@vnes/driver-memory";
import type { Turn } from "@vnes/sdk";
import { batcher, letters, noted, noter, numbers, reader, TOPIC } from "../harness/topic-capsules.ts";
import { bootTopics } from "../harness/topic-harness.ts";

const everySeventh = (_: unknown, { n }: { readonly n: number }): void => {
  if (n % 7 === 6) throw new Error(`poison ${n}`);
};

test("poison events do not block a partition: the rest is taken in order, and each of them has one letter", async () => {
  const memory = new LedgerMemory();
  const clock = new MemoryClock();
  const capsules = [letters, noter(), reader(TOPIC, { onEvent: everySeventh })];
  const node = await bootTopics(capsules, { memory, clock });
  await node.notes(50);
  assert.deepEqual(
    await node.got(),
    numbers(0, 50).filter((n) => n % 7 !== 6),
  );
  await node.close();
  // After a restart nothing is delivered, and no letter written, a second time.
  const again = await bootTopics(capsules, { memory, clock });
  await again.notes(10, 50);
  assert.deepEqual(
    await again.got(),
    numbers(0, 60).filter((n) => n % 7 !== 6),
  );
  const written = await again.letters();
  assert.deepEqual(
    written.map(({ seq }) => (seq as number) - 1),
    numbers(0, 60).filter((n) => n % 7 === 6),
  );
  const { at: _, ...first } = written[0] ?? {};
  assert.deepEqual(first, {
    subscriber: "test.reader",
    topic: TOPIC,
    partition: 0,
    shard: `topic/${TOPIC}/0`,
    seq: 7,
    key: "k0",
    code: "TURN_HANDLER_THREW",
    message: "Error: poison 6",
    attempts: 1,
  });
  await again.close();
});

test("what is counted as a dead letter has one: a call that failed was answered, and is no letter", async () => {
  const node = await bootTopics([letters, noter(), reader(TOPIC, { onEvent: everySeventh })]);
  await node.notes(20);
  await node.ask("test.noter", "note", { key: "an event is missing" });
  await node.settle();
  const { counters, capsules } = await node.node.status();
  assert.deepEqual([counters["deadLetters"], (await node.letters()).length], [2, 2]);
  const { failedTurns, deadLetters } = capsules.find(({ id }) => id === "test.noter") ?? {};
  assert.deepEqual({ failedTurns, deadLetters }, { failedTurns: 1, deadLetters: 0 });
  await node.close();
});

test("an event that is tried again and asks for keys then keeps its place before those behind it", async () => {
  let isFirst = true;
  // Asks for a key of its own only when it runs again.
  const onEvent = (turn: Turn, { n }: { readonly n: number }): void => {
    if (n !== 3) return;
    if (isFirst) {
      isFirst = false;
      throw new Error("not now");
    }
    turn.keys.get("got/never");
  };
  const node = await bootTopics([letters, noter(), reader(TOPIC, { onEvent, tier: "NX_experimental" })]);
  await node.notes(9);
  node.clock.advance(1_000);
  await node.settle();
  assert.deepEqual(await node.got(), numbers(0, 9));
  await node.close();
});

test("a capsule that is not deterministic is tried again with back-off; what is behind waits, other partitions do not", async () => {
  // By the time and not by how often it ran: what a turn would read is asked beforehand.
  let until = Number.POSITIVE_INFINITY;
  const flaky = (turn: { readonly at: number }, { n }: { readonly n: number }): void => {
    if (n === 3 && turn.at < until) throw new Error("not now");
  };
  // Keys k0, k1, k2 fall into two partitions; order is promised within each.
  const node = await bootTopics([
    letters,
    noter(noted({ partition: { count: 2 } })),
    reader(TOPIC, { onEvent: flaky, tier: "NX_experimental" }),
  ]);
  until = node.clock.now() + 150;
  await node.notes(9);
  const before = (await node.got()) as number[];
  assert.ok(!before.includes(3) && before.length > 2, JSON.stringify(before));
  node.clock.advance(100);
  await node.settle();
  assert.deepEqual(await node.got(), before, "the second try fails too");
  node.clock.advance(200);
  await node.settle();
  const all = (await node.got()) as number[];
  assert.deepEqual(
    [...all].sort((a, b) => a - b),
    numbers(0, 9),
  );
  const records = await Promise.all([0, 1].map((index) => node.records(`topic/${TOPIC}/${index}`)));
  for (const partition of records) {
    const order = partition.flatMap((record) =>
      record.kind === "event" ? [(record.event as { n: number }).n] : [],
    );
    assert.deepEqual(
      all.filter((n) => order.includes(n)),
      order,
    );
  }
  assert.equal((await node.node.status()).counters["turn.retried"], 2);
  assert.deepEqual(await node.letters(), []);
  await node.close();
});

test("after its retries an event is given up with the number of attempts; retries: 0 means one", async () => {
  for (const [retries, attempts] of [
    [2, 3],
    [0, 1],
  ] as const) {
    const failing = (_: unknown, { n }: { readonly n: number }): void => {
      if (n === 1) throw new Error("never");
    };
    const node = await bootTopics([
      letters,
      noter(),
      reader({ topic: TOPIC, retries }, { onEvent: failing, tier: "NX_experimental" }),
    ]);
    await node.notes(4);
    for (let round = 0; round < 4; round++) {
      node.clock.advance(1_000);
      await node.settle();
    }
    assert.deepEqual(await node.got(), [0, 2, 3]);
    assert.deepEqual(
      (await node.letters()).map((letter) => letter["attempts"]),
      [attempts],
    );
    await node.close();
  }
});

test("batches: up to the count, fewer once the first has waited, in order, each one turn with its reference", async () => {
  const node = await bootTopics([noter(), batcher({ batch: { count: 4, delay_ms: 50 } })]);
  await node.notes(10);
  assert.deepEqual(await node.got("test.batcher"), [numbers(0, 4), numbers(4, 8)]);
  node.clock.advance(49);
  await node.settle();
  assert.equal(((await node.got("test.batcher")) as unknown[]).length, 2);
  node.clock.advance(1);
  await node.settle();
  assert.deepEqual(await node.got("test.batcher"), [numbers(0, 4), numbers(4, 8), [8, 9]]);
  const inputs = (await node.turns("test.batcher/0")).flatMap(({ input }) =>
    input.from === "topic" ? [input] : [],
  );
  assert.deepEqual(
    inputs.map(({ seq, batch }) => [batch?.first, seq, batch?.seqs]),
    [
      [1, 4, undefined],
      [5, 8, undefined],
      [9, 10, undefined],
    ],
  );
  await node.close();
});

test("a batch that fails is taken apart: the event to blame has a letter, the others are taken in order", async () => {
  const poison = (n: number): void => {
    if (n === 5) throw new Error("poison");
  };
  const node = await bootTopics([letters, noter(), batcher({ batch: { count: 4 } }, poison)]);
  await node.notes(12);
  assert.deepEqual(await node.got("test.batcher"), [numbers(0, 4), [4], [6], [7], numbers(8, 12)]);
  assert.deepEqual(
    (await node.letters()).map(({ seq }) => seq),
    [6],
  );
  await node.close();
});

test("a subscriber that starts from now gets what comes after its first start, also when it first starts and dies", async () => {
  const memory = new LedgerMemory();
  const clock = new MemoryClock();
  const first = await bootTopics([noter()], { memory, clock });
  await first.notes(5);
  await first.close();
  const late = reader({ topic: TOPIC, from: "now" });
  const second = await bootTopics([noter(), late], { memory, clock });
  assert.deepEqual(
    await second
      .positions("test.reader/0")
      .then((all) => all.map(({ position, reason }) => [position, reason])),
    [[5, "from_now"]],
  );
  await second.close();
  const without = await bootTopics([noter()], { memory, clock });
  await without.notes(2, 5);
  await without.close();
  const third = await bootTopics([noter(), late], { memory, clock });
  await third.notes(1, 7);
  assert.deepEqual(await third.got(), [5, 6, 7]);
  assert.equal((await third.positions("test.reader/0")).length, 1);
  await third.close();
});
