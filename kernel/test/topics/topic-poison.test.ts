/** Events that kill the sandbox host of whoever is delivered them (D6). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LedgerMemory, MemoryClock } from "@vnes/driver-memory";
import type { TurnRequest } from "@vnes/schemas";
import { batcher, letters, noted, noter, numbers, reader, TOPIC } from "../harness/topic-capsules.ts";
import { bootTopics, type TopicNode } from "../harness/topic-harness.ts";

const COUNT = 40;
const isPoison = (n: number): boolean => n % 5 === 4;
const POISON = numbers(0, COUNT).filter(isPoison);
const FOOD = numbers(0, COUNT).filter((n) => !isPoison(n));

/** The host dies of an event that is poison, alone or in a batch. */
const sandboxFaults = {
  hostDiesOn: ({ delivery }: TurnRequest): boolean => {
    if (delivery.kind !== "event" && delivery.kind !== "batch") return false;
    const events = delivery.kind === "event" ? [delivery.event] : delivery.events.map(({ event }) => event);
    return events.some((event) => isPoison((event as { n?: number }).n ?? 0));
  },
};

async function stateOf({ node }: TopicNode, capsule: string): Promise<readonly (string | null)[]> {
  const found = (await node.status()).capsules.find(({ id }) => id === capsule);
  return [found?.state ?? null, found?.reason ?? null];
}

async function rest(node: TopicNode, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 1_000) {
    node.clock.advance(1_000);
    await node.settle();
  }
}

for (const [title, subscriber, id] of [
  ["one by one", reader(TOPIC), "test.reader"],
  ["in batches", batcher({ batch: { count: 10, delay_ms: 0 } }), "test.batcher"],
] as const) {
  test(`events that kill their host, taken ${title}, are given up three a minute at most, and what is behind them is taken without anybody's help (D6)`, async () => {
    const node = await bootTopics([letters, noter(noted({ partition: { count: 1 } })), subscriber], {
      sandboxFaults,
    });
    await node.notes(COUNT);
    await rest(node, 1_000);
    assert.deepEqual(await stateOf(node, id), ["suspended", "CAPSULE_POISONED"]);
    const { resumesAt } = (await node.node.inspect(id)) as { readonly resumesAt: number };
    assert.ok(resumesAt > node.clock.now() && resumesAt <= node.clock.now() + 60_000);
    const [topic] = (await node.node.topics.show(TOPIC)).places;
    assert.equal(topic?.lag, COUNT - (topic?.position ?? 0), "what was given back waits like the rest");
    const early = await node.letters();
    assert.ok(early.length >= 1 && early.length <= 3, `${early.length} letters`);
    await rest(node, 600_000);
    assert.deepEqual(await stateOf(node, id), ["active", "POISON_GIVEN_UP"]);
    assert.deepEqual([await node.got(id)].flat(2), FOOD);
    const given = await node.letters();
    assert.deepEqual(
      given.map(({ seq, code }) => [seq, code]),
      POISON.map((n) => [n + 1, "TURN_KILLED_HOST"]),
    );
    await node.close();
  });
}

test("a node that ends while a subscriber rests goes on behind what was given up, each of it once (D6)", async () => {
  const memory = new LedgerMemory();
  const clock = new MemoryClock();
  const capsules = [letters, noter(), reader(TOPIC)];
  const before = await bootTopics(capsules, { memory, clock, sandboxFaults });
  await before.notes(COUNT);
  await rest(before, 1_000);
  assert.deepEqual(await stateOf(before, "test.reader"), ["suspended", "CAPSULE_POISONED"]);
  await before.close();
  assert.equal(clock.nextWakeAt, undefined, "a rest must not keep the process");
  const after = await bootTopics(capsules, { memory, clock, sandboxFaults });
  await rest(after, 300_000);
  assert.deepEqual(await stateOf(after, "test.reader"), ["active", "POISON_GIVEN_UP"]);
  assert.deepEqual(await after.got(), FOOD);
  assert.deepEqual(
    (await after.letters()).map(({ seq }) => seq),
    POISON.map((n) => n + 1),
  );
  await after.close();
});

test("a person need not wait for the end of the rest, and one who unloads the capsule has the last word (D6)", async () => {
  const node = await bootTopics([letters, noter(), reader(TOPIC)], { sandboxFaults });
  await node.notes(COUNT);
  await rest(node, 1_000);
  await node.node.resume("test.reader");
  await rest(node, 1_000);
  assert.equal((await node.letters()).length, 6);
  assert.deepEqual(await stateOf(node, "test.reader"), ["suspended", "CAPSULE_POISONED"]);
  await node.node.unload("test.reader");
  await rest(node, 120_000);
  assert.deepEqual(await stateOf(node, "test.reader"), ["unloaded", "ASKED"]);
  await node.close();
});
