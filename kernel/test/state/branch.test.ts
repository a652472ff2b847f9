/** Branches: what they begin with, what they run, what never leaves them, and what is left of one that was discarded. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Bundle,
  LedgerMemory,
  MemoryClock,
  MemoryImageArchive,
  MemorySandbox,
} from "@vnes/driver-memory";
import { capsule } from "@vnes/sdk";
import type { Json, JsonObject, TopicDefinition } from "@vnes/schemas";
import fc from "fast-check";
import type { SandboxInstance, SandboxSpec } from "../../src/ports/sandbox.ts";
import { MAX_BRANCHES } from "../../src/state/branch.ts";
import {
  bootTestNode,
  manifestOf,
  signedImage,
  type TestCapsule,
  type TestNode,
  topicOf,
} from "../harness/node-harness.ts";

const anything = {};
const defs = (...names: string[]): { readonly [path: string]: unknown } => ({
  "spec/schema.json": { $defs: Object.fromEntries(names.map((name) => [`${name}.input`, anything])) },
});
/** Of a circle of topics one must not block. */
const topic = (name: string, owner: string, schema: JsonObject = anything): TopicDefinition =>
  topicOf(name, owner, { schemas: [schema], flow: { policy: "shed", buffer: 100 } });

/** Does everything that could get out: publishes, calls, answers later, sets timers, lets keys expire. */
const shop: TestCapsule = {
  manifest: manifestOf("test.shop", {
    capabilities: { provides: ["test.shop"], requires: ["test.bank"] },
    bus: { publishes: ["test.sold.v1"], subscribes: ["test.priced.v1", "test.seen.v1"] },
    state: { owns: ["k/"] },
  }),
  spec: {
    ...defs("test.shop.sell", "test.shop.fail", "test.shop.stuff"),
    "spec/topics/test.sold.v1.json": topic("test.sold.v1", "test.shop"),
    "spec/topics/test.seen.v1.json": { ...topic("test.seen.v1", "test.shop"), quality: "at_most_once" },
    "spec/topics/test.priced.v1.json": topic("test.priced.v1", "test.shop", {
      type: "object",
      required: ["price"],
      properties: { price: { type: "number" } },
    }),
  },
  bundle: () =>
    capsule({
      calls: {
        "test.shop.sell": (turn, input) => {
          const { what, ttlMs } = input as { what: string; ttlMs?: number };
          const count = ((turn.keys.get(`k/${what}`) as number | undefined) ?? 0) + 1;
          turn.keys.set(`k/${what}`, count, ttlMs === undefined ? {} : { ttlMs });
          turn.keys.set("k/luck", turn.random());
          turn.publish("test.sold.v1", what, { what, count });
          turn.call({ capability: "test.bank", method: "add", input: { count }, tag: "paid", context: what });
          turn.setTimer(`late:${what}`, turn.at + 1_000, what);
          return count;
        },
        "test.shop.stuff": (turn, size) => {
          turn.keys.set("k/stuff", "x".repeat(size as number));
          return null;
        },
        "test.shop.fail": () => {
          throw new Error("asked to");
        },
      },
      answers: {
        paid: (turn, answer, what) => turn.keys.set(`k/paid/${what as string}`, answer.ok ? 1 : answer.code),
      },
      events: {
        "test.priced.v1": (turn, event) => turn.keys.set("k/price", (event as { price: number }).price),
        "test.seen.v1": () => {},
      },
      timers: { late: (turn, what) => turn.keys.set(`k/late/${what as string}`, turn.at) },
    }),
};

const bank: TestCapsule = {
  manifest: manifestOf("test.bank", {
    capabilities: { provides: ["test.bank"] },
    bus: { publishes: ["test.priced.v1"], subscribes: ["test.sold.v1"] },
    state: { owns: ["b/"] },
  }),
  spec: defs("test.bank.add", "test.bank.price"),
  bundle: () =>
    capsule({
      calls: {
        "test.bank.add": (turn, input) => {
          turn.keys.set(
            "b/sum",
            ((turn.keys.get("b/sum") as number | undefined) ?? 0) + (input as { count: number }).count,
          );
          return null;
        },
        "test.bank.price": (turn, price) => {
          turn.publish("test.priced.v1", "", { price });
          return null;
        },
      },
      events: {
        "test.sold.v1": (turn) =>
          turn.keys.set("b/sold", ((turn.keys.get("b/sold") as number | undefined) ?? 0) + 1),
      },
    }),
};

const capsules = [shop, bank];
const SHOP = "test.shop/0";

interface Place {
  readonly memory: LedgerMemory;
  readonly clock: MemoryClock;
}

const place = (): Place => ({ memory: new LedgerMemory(), clock: new MemoryClock() });
const boot = (at: Place): Promise<TestNode> => bootTestNode({ capsules, ...at });
const sell = (run: TestNode, what: string, more: object = {}): Promise<Json> =>
  run.ask("test.shop", "sell", { what, ...more });

/** Every record of every shard that is no branch; `kernel/` too unless a boot lies in between. */
function world({ memory }: Place, withKernel = true): Json {
  return [...memory.shards]
    .filter(([name]) => !name.startsWith("branch/") && (withKernel || !name.startsWith("kernel/")))
    .map(([name, records]): Json => [name, records.map(({ bytes }) => new TextDecoder().decode(bytes))]);
}

const codeOf = async (asked: Promise<unknown>): Promise<string> => {
  try {
    await asked;
    return "ok";
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
};

const act = fc.oneof(
  fc.record({
    do: fc.constant("sell"),
    what: fc.constantFrom("a", "b"),
    ttlMs: fc.option(fc.integer({ min: 1, max: 900 }), { nil: undefined }),
  }),
  fc.record({ do: fc.constant("price"), price: fc.nat(9) }),
  fc.record({ do: fc.constant("wait"), ms: fc.integer({ min: 1, max: 800 }) }),
);

test("fed with what its parent was delivered, a branch from any record comes to where its parent is", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(act, { minLength: 1, maxLength: 10 }), fc.nat(100), async (acts, somewhere) => {
      const at = place();
      const run = await boot(at);
      for (const one of acts) {
        if (one.do === "sell") await sell(run, one.what, one.ttlMs === undefined ? {} : { ttlMs: one.ttlMs });
        else if (one.do === "price") await run.ask("test.bank", "price", one.price);
        else at.clock.advance(one.ms);
        await run.settle();
      }
      const { branches } = run.node.state;
      const last = at.memory.shards.get(SHOP)?.at(-1)?.seq as number;
      const made = await branches.create(SHOP, somewhere % (last + 1), undefined);
      assert.deepEqual([made.name, made.seq, made.fed], ["b1", made.from, made.from]);
      const { branch, skipped, cut } = await branches.run("b1", { do: "feed" });
      assert.deepEqual([branch.seq, branch.fed, skipped, cut], [last, last, 0, false]);
      const diff = await branches.diff("b1", {}, {});
      assert.deepEqual([diff.differences, diff.from, diff.to], [[], last, last]);
      const here = await run.node.state.read({ capsule: "test.shop" }, { prefix: "" });
      const there = await branches.diff("b1", { seq: 0 }, {});
      assert.deepEqual(
        there.differences.map(({ key, after }) => [key, after?.value, after?.version]),
        here.values,
      );
    }),
    { numRuns: 40 },
  );
});

test("nothing of a branch reaches the world: no shard, no topic, no other capsule, not after a restart either", async () => {
  const at = place();
  const run = await boot(at);
  await sell(run, "a");
  await run.settle();
  const before = world(at);
  const counters = (await run.node.status()).counters;
  const { branches } = run.node.state;
  await branches.create(SHOP, undefined, "try");
  for (const input of [
    { do: "call", capability: "test.shop", method: "sell", input: { what: "a" } },
    { do: "call", capability: "test.shop", method: "fail", input: null },
    { do: "event", topic: "test.priced.v1", key: "", event: { price: 7 } },
    { do: "feed" },
    { do: "advance", ms: 10_000 },
  ] as const)
    await branches.run("try", input);
  await run.settle();
  assert.deepEqual(world(at), before);
  assert.deepEqual((await run.node.status()).counters, counters);
  const { turns } = await branches.show("try", 0);
  const asked = turns.flatMap(({ effects }) => effects.map((effect) => effect.do));
  for (const kind of ["publish", "call", "answer", "write", "setTimer"])
    assert.ok(asked.includes(kind as never), kind);
  for (const [name, records] of at.memory.shards) {
    if (!name.startsWith("branch/")) continue;
    for (const { bytes } of records) {
      const { effects } = JSON.parse(new TextDecoder().decode(bytes)) as { effects: Json };
      assert.deepEqual(effects, []);
    }
  }
  const quiet = world(at, false);
  await run.node[Symbol.asyncDispose]();
  const again = await boot(at);
  await again.settle();
  // The start turns of the new boot are all there is.
  const started = (world(at, false) as readonly (readonly [string, readonly string[]])[]).map(
    ([name, records]) => [
      name,
      records.filter((record) => !record.includes('"kind":"start"') && !record.includes('"kind":"snapshot"')),
    ],
  );
  const were = (quiet as readonly (readonly [string, readonly string[]])[]).map(([name, records]) => [
    name,
    records.filter((record) => !record.includes('"kind":"start"') && !record.includes('"kind":"snapshot"')),
  ]);
  assert.deepEqual(started, were);
});

test("an event given to a branch has the next seq of its partition there, and none where events are not kept", async () => {
  const at = place();
  let run = await boot(at);
  const price = async (): Promise<void> => {
    await run.ask("test.bank", "price", 1);
    await run.settle();
  };
  await price();
  await price();
  await run.node.state.branches.create(SHOP, undefined, "one");
  const give = async (topicName: string): Promise<unknown> => {
    const input = { do: "event", topic: topicName, key: "", event: { price: 7 } } as const;
    const { turns } = await run.node.state.branches.run("one", input);
    return turns.map(({ delivery }) => delivery.kind === "event" && delivery.seq);
  };
  assert.deepEqual(await give("test.priced.v1"), [3]);
  assert.deepEqual(await give("test.seen.v1"), [null]);
  await run.node[Symbol.asyncDispose]();
  run = await boot(at);
  assert.deepEqual(await give("test.priced.v1"), [4]);
  // The parent's third: a branch that is fed has it by the parent's number.
  await price();
  const { turns } = await run.node.state.branches.run("one", { do: "feed" });
  const fed = turns.flatMap(({ delivery }) => (delivery.kind === "event" ? [delivery.seq] : []));
  assert.deepEqual([fed, await give("test.priced.v1")], [[3], [5]]);
  await run.node[Symbol.asyncDispose]();
});

test("a turn of a branch has more time than the shard's own: a busy machine is no other outcome", async () => {
  class Watched extends MemorySandbox {
    readonly turnMs: number[] = [];
    override open(spec: SandboxSpec): Promise<SandboxInstance> {
      this.turnMs.push(spec.limits.turnMs);
      return super.open(spec);
    }
  }
  const sandbox = new Watched({
    "test.dial": () => capsule({ calls: { "test.dial.turn": (turn) => turn.at } }),
  });
  const one: TestCapsule = {
    manifest: manifestOf("test.dial", { capabilities: { provides: ["test.dial"] } }),
    spec: defs("test.dial.turn"),
    bundle: () => capsule({}),
  };
  const run = await bootTestNode({ capsules: [one], parts: { sandbox } });
  await run.node.state.branches.create("test.dial/0", undefined, "one");
  const input = { do: "call", capability: "test.dial", method: "turn", input: null } as const;
  await run.node.state.branches.run("one", input);
  const [own = 0, branch = 0] = sandbox.turnMs;
  assert.ok(branch >= 5 * own, `${branch} ms beside ${own} ms`);
  await run.node[Symbol.asyncDispose]();
});

test("a branch goes its own way, is shown, compared with its parent and with another, and outlives a restart", async () => {
  const at = place();
  let run = await boot(at);
  await sell(run, "a");
  await run.settle();
  const fork = at.memory.shards.get(SHOP)?.at(-1)?.seq as number;
  let { branches } = run.node.state;
  await branches.create(SHOP, undefined, "one");
  await branches.create(SHOP, undefined, "two");
  const sold = { do: "call", capability: "test.shop", method: "sell", input: { what: "a" } } as const;
  const ran = await branches.run("one", sold);
  const answer = ran.turns[0]?.effects.find((effect) => effect.do === "answer");
  assert.deepEqual(answer?.do === "answer" && answer.answer, { ok: true, value: 2 });
  assert.equal(ran.turns[0]?.seq, fork + 1);
  await branches.run("one", { do: "event", topic: "test.priced.v1", key: "", event: { price: 3 } });
  const keys = async (other: { branch?: string }): Promise<Json> =>
    (await branches.diff("one", other, {})).differences.map(({ key, before, after }) => [
      key,
      before?.value ?? null,
      after?.value ?? null,
    ]);
  const [same, against] = [await keys({}), await keys({ branch: "two" })];
  assert.deepEqual(same, against);
  assert.deepEqual(
    (same as Json[][]).filter(([key]) => key !== "k/luck"),
    [
      ["k/a", 1, 2],
      ["k/price", null, 3],
    ],
  );
  await run.node[Symbol.asyncDispose]();
  run = await boot(at);
  ({ branches } = run.node.state);
  const listed = await branches.list();
  assert.deepEqual(
    listed.map(({ name, turns }) => [name, turns]),
    [
      ["one", 2],
      ["two", 0],
    ],
  );
  const third = await branches.run("one", sold);
  assert.deepEqual([third.turns[0]?.seq, third.branch.turns], [fork + 3, 3]);
  assert.equal((await branches.show("one", fork + 2)).turns.length, 1);
});

test("time stands still in a branch until it is told to go on; then what is due runs, in its order", async () => {
  const at = place();
  const run = await boot(at);
  await sell(run, "b", { ttlMs: 500 });
  await sell(run, "a");
  await run.settle();
  const { branches } = run.node.state;
  const made = await branches.create(SHOP, undefined, "later");
  at.clock.advance(50_000);
  await run.settle();
  const first = await branches.run("later", { do: "advance", ms: 600 });
  assert.deepEqual(
    first.turns.map(({ at: when, delivery }) => [when - made.at, delivery.kind]),
    [[500, "expiry"]],
  );
  const rest = await branches.run("later", { do: "advance", ms: 400 });
  assert.deepEqual(
    rest.turns.map(({ at: when, delivery }) => [when - made.at, delivery.kind === "timer" && delivery.id]),
    [
      [1_000, "late:a"],
      [1_000, "late:b"],
    ],
  );
  assert.equal(rest.branch.at, made.at + 1_000);
});

test("answers are bounded by what they hold: large turns and large changes come a few at a time, none is left out", async () => {
  const at = place();
  const run = await boot(at);
  for (let n = 0; n < 7; n++) await run.ask("test.shop", "stuff", 400_000 + n);
  const { state } = run.node;
  const { branches } = state;
  const made = await branches.create(SHOP, 1, "large");
  const ran = await branches.run("large", { do: "feed" });
  assert.equal(ran.cut, false);
  assert.deepEqual([ran.turns.length, ran.turns.length + ran.more], [3, ran.branch.turns]);
  const seen: number[] = [];
  for (let next: number | null = made.from; next !== null; ) {
    const page: Awaited<ReturnType<typeof branches.show>> = await branches.show("large", next);
    assert.ok(JSON.stringify(page).length < 2_000_000);
    seen.push(...page.turns.map(({ seq }) => seq));
    ({ next } = page);
  }
  assert.equal(seen.length, ran.branch.turns);
  const lengths: number[] = [];
  for (let before: number | null = Number.MAX_SAFE_INTEGER; before !== null; ) {
    const page: Awaited<ReturnType<typeof state.history>> = await state.history(
      { capsule: "test.shop" },
      "k/stuff",
      {
        before,
      },
    );
    assert.ok(JSON.stringify(page).length < 2_000_000);
    lengths.push(...page.changes.map(({ value }) => (value as string).length - 400_000));
    before = page.next;
  }
  assert.deepEqual(lengths, [6, 5, 4, 3, 2, 1, 0]);
});

test("a branch runs the image that ran where it begins, as long as that is kept", async () => {
  const at = place();
  const archive = new MemoryImageArchive();
  const version = (version: string): TestCapsule => ({
    manifest: {
      ...manifestOf("test.dial", { capabilities: { provides: ["test.dial"] }, state: { owns: ["d"] } }),
      version,
    },
    spec: defs("test.dial.turn"),
    bundle: () => capsule({ calls: { "test.dial.turn": (turn) => (turn.keys.set("d", version), version) } }),
  });
  const [older, newer] = [version("1.0.0"), version("2.0.0")];
  const images = new Map([older, newer].map((one) => [signedImage(one).hash, one.bundle as () => Bundle]));
  const start = (one: TestCapsule): Promise<TestNode> => {
    const sandbox = new MemorySandbox({
      "test.dial": ({ image }) => (images.get(image.hash) as () => Bundle)(),
    });
    return bootTestNode({ capsules: [one], ...at, parts: { archive, sandbox } });
  };
  const dial = { do: "call", capability: "test.dial", method: "turn", input: null } as const;
  const first = await start(older);
  await first.ask("test.dial", "turn", null);
  const fork = at.memory.shards.get("test.dial/0")?.at(-1)?.seq as number;
  await first.node[Symbol.asyncDispose]();
  const second = await start(newer);
  await second.ask("test.dial", "turn", null);
  const { branches } = second.node.state;
  for (const [name, from] of [
    ["old", fork],
    ["new", undefined],
  ] as const)
    await branches.create("test.dial/0", from, name);
  const said = async (name: string): Promise<Json | undefined> => {
    const effects = (await branches.run(name, dial)).turns.flatMap((turn) => turn.effects);
    return effects.find((effect) => effect.do === "write")?.value;
  };
  assert.deepEqual([await said("old"), await said("new")], ["1.0.0", "2.0.0"]);
});

test("a discarded branch leaves one empty record, and its name is free; everything wrong has a code", async () => {
  const at = place();
  const run = await boot(at);
  await sell(run, "a");
  const { branches } = run.node.state;
  await branches.create(SHOP, undefined, "gone");
  await branches.run("gone", { do: "call", capability: "test.shop", method: "sell", input: { what: "a" } });
  await branches.discard("gone");
  assert.equal(at.memory.shards.get("branch/test/gone")?.length, 1);
  assert.deepEqual(await branches.list(), []);
  assert.equal(await codeOf(branches.discard("gone")), "BRANCH_UNKNOWN");
  const again = await branches.create(SHOP, 1, "gone");
  assert.deepEqual([again.from, again.turns], [1, 0]);
  await run.node[Symbol.asyncDispose]();
  const after = await boot(at);
  const now = after.node.state.branches;
  assert.deepEqual(
    (await now.list()).map(({ name }) => name),
    ["gone"],
  );
  await now.discard("gone");

  await now.create(SHOP, 1, "one");
  await now.create("test.bank/0", 1, "bank");
  const call = { do: "call", capability: "test.shop", method: "sell", input: {} } as const;
  for (const [asked, code] of [
    [() => now.create(SHOP, 1, "one"), "BRANCH_EXISTS"],
    [() => now.create(SHOP, 1, "No!"), "BRANCH_NAME_INVALID"],
    [() => now.create(SHOP, 9_999, "x"), "STATE_SEQ_UNKNOWN"],
    [() => now.create("test.none/0", 0, "x"), "STATE_SHARD_EMPTY"],
    [() => now.run("nobody", call), "BRANCH_UNKNOWN"],
    [() => now.run("bank", call), "BRANCH_INPUT_INVALID"],
    [() => now.run("one", { ...call, method: "none" }), "BRANCH_INPUT_INVALID"],
    [
      () => now.run("one", { do: "event", topic: "test.priced.v1", key: "", event: {} }),
      "BRANCH_INPUT_INVALID",
    ],
    [
      () => now.run("one", { do: "event", topic: "test.sold.v1", key: "", event: {} }),
      "BRANCH_INPUT_INVALID",
    ],
    [() => now.run("one", { do: "feed", to: 9_999 }), "STATE_SEQ_UNKNOWN"],
    [() => now.diff("one", { branch: "bank" }, {}), "BRANCH_OTHER_STATE"],
  ] as const)
    assert.equal(await codeOf(asked()), code);
  for (let n = 2; n < MAX_BRANCHES; n++) await now.create(SHOP, 1, undefined);
  assert.equal(await codeOf(now.create(SHOP, 1, undefined)), "BRANCH_TOO_MANY");
});
