import assert from "node:assert/strict";
import { test } from "node:test";
import { capsule } from "@vnes/sdk";
import { type Bundle, LedgerMemory, MemoryClock, MemorySandbox } from "@vnes/driver-memory";
import type { FlowPolicy, Json, SubscriptionEntry } from "@vnes/schemas";
import { bootTestNode, manifestOf, type TestCapsule } from "../harness/node-harness.ts";
import { batcher, noted, noter, numbers, reader, TOPIC } from "../harness/topic-capsules.ts";
import { bootTopics, type TopicNode } from "../harness/topic-harness.ts";

const slow: SubscriptionEntry = { topic: TOPIC, rate_per_s: 10, buffer: 5 };

async function advance(node: TopicNode, ms: number): Promise<void> {
  node.clock.advance(ms);
  await node.settle();
}

/** What the records of a shard say was taken out, and what they say was delivered. */
async function accounted(
  node: TopicNode,
  shard: string,
): Promise<{ readonly skipped: number; readonly taken: number }> {
  let [skipped, taken] = [0, 0];
  for (const { input } of await node.turns(shard)) {
    if (input.from !== "topic") continue;
    skipped += input.skipped ?? 0;
    taken += input.batch === undefined ? 1 : (input.batch.seqs?.length ?? input.seq - input.batch.first + 1);
  }
  return { skipped, taken };
}

test("a rate is kept: ten a second are taken, and no event is lost", async () => {
  const node = await bootTopics([noter(), reader({ topic: TOPIC, rate_per_s: 10 })]);
  await node.notes(25);
  assert.equal(((await node.got()) as unknown[]).length, 1);
  for (let round = 0; round < 10; round++) await advance(node, 100);
  assert.equal(((await node.got()) as unknown[]).length, 11);
  for (let round = 0; round < 20; round++) await advance(node, 100);
  assert.deepEqual(await node.got(), numbers(0, 25));
  await node.close();
});

test("what is taken out behind the last event is judged again by the next boot, and counted as not recorded until then", async () => {
  const [memory, clock] = [new LedgerMemory(), new MemoryClock()];
  const capsules = [noter(noted({ flow: { policy: "shed", buffer: 100 } })), reader(slow)];
  const counts = async (node: TopicNode): Promise<readonly unknown[]> => {
    const [place] = (await node.node.topics.show(TOPIC)).places;
    return [place?.shed, place?.unrecorded];
  };
  const first = await bootTopics(capsules, { memory, clock });
  await first.notes(1);
  await first.notes(29, 1);
  for (let round = 0; round < 8; round++) await advance(first, 100);
  assert.deepEqual(await first.got(), numbers(0, 6));
  assert.deepEqual(await counts(first), [24, 24]);
  await first.close();

  const second = await bootTopics(capsules, { memory, clock });
  for (let round = 0; round < 8; round++) await advance(second, 100);
  assert.deepEqual(await second.got(), numbers(0, 11));
  assert.deepEqual(await counts(second), [19, 19]);
  await second.notes(1, 30);
  await advance(second, 100);
  assert.deepEqual(await counts(second), [19, 0]);
  // The records have each event once.
  assert.deepEqual(await accounted(second, "test.reader/0"), { skipped: 19, taken: 12 });
  await second.close();
});

for (const [title, flow, expected, counter] of [
  ["sheds the newest", { policy: "shed", buffer: 100 }, [0, 1, 2, 3, 4, 5], "flow.shed"],
  ["sheds the oldest", { policy: "shed", shed: "oldest", buffer: 100 }, [0, 25, 26, 27, 28, 29], "flow.shed"],
  [
    "sheds what matters least",
    { policy: "shed", shed: "lowest_priority", priority: "/n", buffer: 100 },
    [0, 25, 26, 27, 28, 29],
    "flow.shed",
  ],
  // Keys k0, k1, k2 in turn: of each the latest.
  [
    "merges into the latest of each key",
    { policy: "aggregate", buffer: 100 },
    [0, 27, 28, 29],
    "flow.merged",
  ],
] as const) {
  test(`a subscriber that lags: its topic ${title}; the record of the next turn and a counter say how many`, async () => {
    const node = await bootTopics([noter(noted({ flow: flow as FlowPolicy })), reader(slow)]);
    await node.notes(1);
    await node.notes(29, 1);
    for (let round = 0; round < 8; round++) await advance(node, 100);
    assert.deepEqual(await node.got(), expected);
    // What was taken out last is told by the next event.
    await node.notes(1, 30);
    await advance(node, 100);
    const { skipped, taken } = await accounted(node, "test.reader/0");
    assert.equal(taken, expected.length + 1);
    assert.equal(skipped + taken, 31);
    const { counters } = await node.node.status();
    assert.equal(counters[counter], skipped);
    await node.close();
  });
}

test("a topic that aggregates into batches gives what waits as one turn, and loses nothing", async () => {
  const flow: FlowPolicy = { policy: "aggregate", aggregate: "batch", buffer: 5 };
  const takes = batcher({ batch: { count: 2 }, rate_per_s: 10 });
  const node = await bootTopics([noter(noted({ flow })), takes]);
  await node.notes(30);
  for (let round = 0; round < 60; round++) await advance(node, 100);
  const got = (await node.got("test.batcher")) as number[][];
  assert.deepEqual(got.flat(), numbers(0, 30));
  assert.ok(Math.max(...got.map((batch) => batch.length)) > 2, JSON.stringify(got));
  assert.ok(((await node.node.status()).counters["flow.merged"] ?? 0) > 0);
  await node.close();
});

test("a subscriber of single events is not bound to a topic that hands out batches", async () => {
  const flow: FlowPolicy = { policy: "aggregate", aggregate: "batch", buffer: 5 };
  const node = await bootTopics([noter(noted({ flow })), reader()]);
  const { capsules } = await node.node.status();
  assert.equal(capsules.find(({ id }) => id === "test.reader")?.reason, "BINDING_BATCH_MISSING");
  await node.close();
});

/** Publishes each event it gets again on the noted topic. */
const IN = "test.in.v1";
function relay(): TestCapsule {
  return {
    manifest: manifestOf("test.relay", {
      capabilities: { provides: ["test.relay"] },
      bus: { subscribes: [IN], publishes: [TOPIC] },
    }),
    spec: { "spec/schema.json": { $defs: { "test.relay.ping.input": { type: "object" } } } },
    bundle: () =>
      capsule({
        calls: { "test.relay.ping": () => "pong" },
        events: { [IN]: (turn, event, { key }) => turn.publish(TOPIC, key, event) },
      }),
  };
}
function feeder(): TestCapsule {
  return {
    manifest: manifestOf("test.feeder", {
      capabilities: { provides: ["test.feeder"] },
      bus: { publishes: [IN] },
    }),
    spec: {
      "spec/schema.json": { $defs: { "test.feeder.feed.input": { type: "object" } } },
      [`spec/topics/${IN}.json`]: noted({
        topic: IN,
        owner: "test.feeder",
        flow: { policy: "shed", buffer: 100_000 },
      }),
    },
    bundle: () =>
      capsule({
        calls: {
          "test.feeder.feed": (turn, input) => {
            const { count, from = 0 } = input as { count: number; from?: number };
            for (let n = from; n < from + count; n++) turn.publish(IN, "k", { n });
            return null;
          },
        },
      }),
  };
}

test("a topic that blocks holds its publishers' events back, not their calls, until its subscriber has room", async () => {
  const node = await bootTopics([
    feeder(),
    noter(noted({ flow: { policy: "block", buffer: 1 } })),
    relay(),
    reader({ topic: TOPIC, rate_per_s: 1_000, buffer: 5 }),
  ]);
  for (let from = 0; from < 10_000; from += 2_500) {
    assert.deepEqual(await node.ask("test.feeder", "feed", { count: 2_500, from }), {
      ok: true,
      value: null,
    });
  }
  await node.settle();
  const published = async (): Promise<number> => (await node.records(`topic/${TOPIC}/0`)).length;
  const held = await published();
  // Those of the turns that were on their way to the disk when the buffer was full, and no more.
  assert.ok(held > 5 && held <= 5 + 4_096 + 64, String(held));
  await advance(node, 100);
  assert.equal(await published(), held);
  assert.deepEqual(await node.ask("test.relay", "ping", {}), { ok: true, value: "pong" });
  for (let round = 0; round < 200; round++) {
    node.clock.advance(100);
    for (let tick = 0; tick < 8; tick++) await new Promise((resume) => setImmediate(resume));
  }
  await node.settle();
  assert.equal(await published(), 10_000);
  assert.deepEqual(await node.got(), numbers(0, 10_000));
  await node.close();
});

test("a suspended subscriber holds nobody back: its events are kept, and taken when it goes on", async () => {
  const node = await bootTopics([
    feeder(),
    noter(noted({ flow: { policy: "block", buffer: 5 } })),
    relay(),
    reader(),
  ]);
  await node.node.suspend("test.reader");
  // More than may be on the way to the disk when a publisher is held.
  for (const from of [0, 2_000, 4_000]) await node.ask("test.feeder", "feed", { count: 2_000, from });
  await node.settle();
  assert.equal((await node.records(`topic/${TOPIC}/0`)).length, 6_000);
  await node.node.resume("test.reader");
  for (let round = 0; round < 10; round++) await node.settle();
  assert.deepEqual(await node.got(), numbers(0, 6_000));
  await node.close();
});

test("a subscriber that hangs costs bounded memory, and neither its topic's other subscribers nor other topics wait", async () => {
  const capsules = [
    noter(noted({ quality: "at_most_once", flow: { policy: "shed", buffer: 50 } })),
    reader(),
    reader(TOPIC, { id: "test.stuck" }),
  ];
  const bundles = Object.fromEntries(
    capsules.flatMap(({ manifest, bundle }) => (bundle === undefined ? [] : [[manifest.id, bundle]])),
  );
  const inner = new MemorySandbox(bundles);
  const stuck: MemorySandbox = Object.assign(Object.create(inner) as MemorySandbox, {
    open: async (spec: Parameters<MemorySandbox["open"]>[0]) => {
      const instance = await inner.open(spec);
      if (!spec.instance.startsWith("test.stuck")) return instance;
      const never = new Promise<never>(() => {});
      const isEvent = (batch: readonly { readonly delivery: { readonly kind: string } }[]): boolean =>
        batch.some(({ delivery }) => delivery.kind === "event");
      const deliver: typeof instance.deliver = (batch) => (isEvent(batch) ? never : instance.deliver(batch));
      return Object.assign(Object.create(instance) as typeof instance, {
        deliver,
        reset: () => instance.reset(),
        meters: () => instance.meters(),
        dispose: () => instance.dispose(),
      });
    },
    [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
  });
  const { node, ask, settle } = await bootTestNode({ capsules, parts: { sandbox: stuck } });
  for (let round = 0; round < 20; round++) {
    await ask("test.noter", "notes", { count: 20, from: round * 20 });
    await settle();
  }
  assert.deepEqual(((await ask("test.reader", "got", {})) as { value: Json }).value, numbers(0, 400));
  const { waiting } = (await node.inspect("test.stuck")) as { waiting: { [shard: string]: number } };
  assert.ok((waiting["test.stuck/0"] as number) <= 50, JSON.stringify(waiting));
  assert.ok(((await node.status()).counters["ephemeral.shed"] ?? 0) > 200);
});

/** Decides what it was told to; remembers what it was asked. */
function decider(answer: Json): TestCapsule {
  return {
    manifest: manifestOf("test.policy", {
      capabilities: { provides: ["test.policy"] },
      state: { owns: ["asked/"] },
    }),
    spec: {
      "spec/schema.json": {
        $defs: {
          "test.policy.decide.input": { type: "object" },
          "test.policy.asked.input": { type: "object" },
        },
      },
    },
    bundle: () =>
      capsule({
        calls: {
          "test.policy.decide": (turn, input) => {
            turn.keys.set(`asked/${turn.keys.entries("asked/").length}`, input);
            return answer;
          },
          "test.policy.asked": (turn) => turn.keys.entries("asked/").map(([, value]) => value),
        },
      }),
  };
}

const decided: FlowPolicy = { policy: "block", buffer: 5, decided_by: "test.policy" };

test("a policy capsule decides for a subscriber that lags; the decision is a fact, and ends when it has caught up", async () => {
  const node = await bootTopics([
    noter(noted({ flow: decided })),
    reader({ ...slow, rate_per_s: 5 }),
    decider({ policy: "shed", shed: "oldest" }),
  ]);
  const counts = async (): Promise<unknown[]> => {
    const [place] = (await node.node.topics.show(TOPIC)).places;
    return [place?.policy, place?.decidedBy];
  };
  assert.deepEqual(await counts(), ["block", null]);
  await node.notes(30);
  assert.deepEqual(await counts(), ["shed", "test.policy"]);
  for (let round = 0; round < 10; round++) await advance(node, 200);
  assert.deepEqual(await counts(), ["block", null]);
  const got = (await node.got()) as number[];
  assert.deepEqual(got.slice(-5), numbers(25, 30));
  assert.ok(got.length <= 7, JSON.stringify(got));
  const [asked] = ((await node.ask("test.policy", "asked", {})) as { value: { [field: string]: Json }[] })
    .value;
  assert.equal(asked?.["topic"], TOPIC);
  assert.equal(asked?.["subscriber"], "test.reader");
  assert.ok((asked?.["lag"] as number) > 5);
  const facts = (await node.records("kernel/test")).flatMap((record) =>
    record.kind === "kernel" ? [record.fact] : [],
  );
  assert.deepEqual(
    facts.filter(({ type }) => type === "flowDecided").map(({ policy, by }) => [policy, by]),
    [["shed", "test.policy"]],
  );
  await node.close();
});

/** Why, each time that was said. */
async function unusable(node: TopicNode): Promise<string[]> {
  const begins = `what test.policy decides for test.reader, which lags on ${TOPIC}, cannot be used: `;
  return (await node.records("kernel/test")).flatMap((record) => {
    if (record.kind !== "kernel" || record.fact["code"] !== "FLOW_DECISION_UNUSABLE") return [];
    const { about, capsule: of, message } = record.fact;
    assert.deepEqual([about, of], ["flow", "test.reader"]);
    return [(message as string).replace(begins, "")];
  });
}

for (const [title, answer, problem] of [
  [
    "says what cannot be done",
    { policy: "aggregate", aggregate: "batch" },
    "aggregate is batch, and the subscriber takes single events",
  ],
  ["says nothing", "never mind", 'it answered "never mind", and not {policy, shed?, aggregate?}'],
] as const) {
  test(`where the policy capsule ${title}, the topic's own policy counts, and that is counted and said once in ten seconds`, async () => {
    const node = await bootTopics([noter(noted({ flow: decided })), reader(slow), decider(answer)]);
    await node.notes(30);
    for (let round = 0; round < 40; round++) await advance(node, 100);
    assert.deepEqual(await node.got(), numbers(0, 30));
    assert.ok(((await node.node.status()).counters["flow.decisionInvalid"] ?? 0) > 1);
    assert.deepEqual(await unusable(node), [problem]);
    await node.close();
  });
}

test("a policy capsule that fails is named with its failure", async () => {
  const failing = decider(null);
  const bundle = (): Bundle =>
    capsule({
      calls: {
        "test.policy.decide": () => {
          throw new Error("no idea");
        },
        "test.policy.asked": () => null,
      },
    });
  const node = await bootTopics([noter(noted({ flow: decided })), reader(slow), { ...failing, bundle }]);
  await node.notes(30);
  await advance(node, 100);
  assert.deepEqual(await unusable(node), ["TURN_HANDLER_THREW: Error: no idea"]);
  await node.close();
});
