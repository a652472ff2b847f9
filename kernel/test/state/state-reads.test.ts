/** Reads of another capsule's keys: who may, of which moment, in which pages, and what a crash does to them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LedgerMemory, MemoryClock, MemoryLedgerStore } from "@vnes/driver-memory";
import { capsule, later, type ReadRequest, type StateRead } from "@vnes/sdk";
import type { Answer, Json, Manifest } from "@vnes/schemas";
import fc from "fast-check";
import { chainHash } from "../../src/ledger/chain.ts";
import { decodeRecord, encodeRecord, type TurnRecord } from "../../src/ledger/record.ts";
import { emptyShard } from "../../src/ledger/shard-state.ts";
import { MAX_READ_KEYS, MAX_READ_SIZE, readPage } from "../../src/state/read.ts";
import { readCommitted } from "../../src/runtime/state/state-reads.ts";
import { digest, openHarness } from "../harness/shard-harness.ts";
import { bootTestNode, manifestOf, type TestCapsule } from "../harness/node-harness.ts";

const defs = (...names: string[]): { readonly [path: string]: unknown } => ({
  "spec/schema.json": { $defs: Object.fromEntries(names.map((name) => [`${name}.input`, {}])) },
});

const shop = (state: Partial<NonNullable<Manifest["state"]>> = {}): TestCapsule => ({
  manifest: manifestOf("test.shop", {
    capabilities: { provides: ["test.shop"] },
    state: { owns: ["price/", "secret/"], shares: ["price/"], ...state },
  }),
  spec: defs("test.shop.put"),
  bundle: () =>
    capsule({
      calls: {
        "test.shop.put": (turn, input) => {
          for (const [key, value] of Object.entries(input as { [key: string]: Json }))
            turn.keys.set(key, value);
          return null;
        },
      },
    }),
});

/** Asks for another's keys and answers with what it got. */
const reader = (reads: NonNullable<Manifest["state"]>["reads"]): TestCapsule => ({
  manifest: manifestOf("test.reader", {
    capabilities: { provides: ["test.reader"] },
    state: { owns: ["got/"], ...(reads === undefined ? {} : { reads }) },
  }),
  spec: defs("test.reader.ask", "test.reader.got"),
  bundle: () =>
    capsule({
      calls: {
        "test.reader.ask": (turn, input, { callId }) => {
          turn.read({ ...(input as unknown as ReadRequest), tag: "read", context: callId });
          turn.keys.set("got/asked", ((turn.keys.get("got/asked") as number | undefined) ?? 0) + 1);
          return later;
        },
        "test.reader.got": (turn) => Object.fromEntries(turn.keys.entries("got/")),
      },
      answers: {
        read: (turn, answer, context) => {
          turn.keys.set("got/answered", ((turn.keys.get("got/answered") as number | undefined) ?? 0) + 1);
          turn.answer(context as string, answer);
        },
      },
    }),
});

const prices = [{ capsule: "test.shop", prefix: "price/" }];
const code = (answer: Json): string => {
  const given = answer as unknown as Answer;
  return given.ok ? "ok" : given.code;
};

test("a shared and declared prefix is read with versions, of one shard at one seq", async () => {
  const run = await bootTestNode({ capsules: [shop(), reader(prices)] });
  await run.ask("test.shop", "put", { "price/a": 1, "price/b": 2, "secret/c": 3 });
  await run.ask("test.shop", "put", { "price/b": 4 });
  const seq = (await run.node.status()).capsules.find(({ id }) => id === "test.shop")?.shards["test.shop/0"];
  const answer = (await run.ask("test.reader", "ask", {
    capsule: "test.shop",
    prefix: "price/",
  })) as unknown as Answer;
  const { at, ...read } = (answer.ok ? answer.value : answer) as unknown as StateRead;
  const values = [
    ["price/a", 1, (seq as number) - 1],
    ["price/b", 4, seq],
  ];
  assert.deepEqual(read, { shard: "test.shop/0", seq, values, next: null });
  assert.ok(at > 0);
  const one = (await run.ask("test.reader", "ask", {
    capsule: "test.shop",
    keys: ["price/z", "price/b"],
  })) as unknown as {
    value: StateRead;
  };
  assert.deepEqual(one.value.values, [["price/b", 4, seq]]);
});

test("reading is denied unless the reader declares it and the owner shares it, each by its own code", async () => {
  const ask = async (capsules: readonly TestCapsule[], request: Json): Promise<string> => {
    const run = await bootTestNode({ capsules });
    return code(await run.ask("test.reader", "ask", request));
  };
  const price = { capsule: "test.shop", keys: ["price/a"] };
  assert.equal(await ask([shop(), reader(prices)], price), "ok");
  assert.equal(await ask([shop(), reader(undefined)], price), "TURN_READ_NOT_DECLARED");
  assert.equal(await ask([shop({ shares: [] }), reader(prices)], price), "STATE_NOT_SHARED");
  const secret = { capsule: "test.shop", keys: ["price/a", "secret/c"] };
  assert.equal(await ask([shop(), reader(prices)], secret), "TURN_READ_NOT_DECLARED");
  const all = [{ capsule: "test.shop", prefix: "" }];
  assert.equal(await ask([shop(), reader(all)], secret), "STATE_NOT_SHARED");
  assert.equal(await ask([shop(), reader(all)], { capsule: "test.shop", prefix: "pri" }), "STATE_NOT_SHARED");
  assert.equal(await ask([reader(prices)], price), "STATE_OWNER_UNKNOWN");
  assert.equal(await ask([shop(), reader(prices)], { ...price, shard: 1 }), "STATE_SHARD_UNKNOWN");
  assert.equal(await ask([shop({ shards: 2 }), reader(prices)], price), "STATE_SHARD_UNKNOWN");
  assert.equal(await ask([shop({ shards: 2 }), reader(prices)], { ...price, shard: 1 }), "ok");
  assert.equal(
    await ask([shop(), reader(prices)], { ...price, limit: MAX_READ_KEYS + 1 }),
    "TURN_READ_INVALID",
  );
  assert.equal(await ask([shop(), reader(prices)], { ...price, prefix: "price/" }), "TURN_EFFECT_INVALID");
  const own = { capsule: "test.reader", keys: ["got/asked"] };
  assert.equal(await ask([reader(undefined)], own), "ok");
});

test("nothing is told that is not durable: a read waits for the disk, and fails when the disk does", async () => {
  const full = await openHarness({ faults: { diskFullAt: new Set([3]) } });
  await Promise.all([full.shard.start(null), full.settle()]);
  full.call(1, { key: "a" });
  await full.settle();
  assert.equal(full.shard.state.keys.get("n/a"), 1);
  const told: StateRead[] = [];
  void readCommitted(full.shard, { prefix: "n/" }).then((read) => told.push(read));
  await full.settle();
  assert.equal(told.length, 0);
  full.clock.advance(1_000);
  await full.settle();
  assert.deepEqual(told[0]?.values, [["n/a", 1, told[0]?.seq]]);
  assert.equal(full.memory.shards.get(full.shard.name)?.at(-1)?.seq, told[0]?.seq);

  const broken = await openHarness({ faults: { ioFailedAt: 3 } });
  await Promise.all([broken.shard.start(null), broken.settle()]);
  broken.call(1, { key: "a" });
  // Not longer than the turn takes: its record is on the way to the disk then.
  for (let step = 0; step < 100 && !broken.shard.state.keys.has("n/a"); step++) await Promise.resolve();
  for (let round = 0; round < 2; round++) {
    const waiting = assert.rejects(readCommitted(broken.shard, { prefix: "n/" }), {
      code: "STATE_UNAVAILABLE",
    });
    await broken.settle();
    await waiting;
  }
});

test("a capsule beside the one it reads is told nothing while another node may own that one's group", async () => {
  const memory = new LedgerMemory();
  let held = true;
  const lease = {
    // The asker's own group is held throughout.
    isHeld: (shard: string) => held || shard !== "test.shop/0",
    lost: () => (held ? [] : ["g1"]),
    taken: () => undefined,
    onChange: () => () => undefined,
  };
  const ledger = Object.assign(new MemoryLedgerStore(memory), { lease });
  const run = await bootTestNode({ capsules: [shop(), reader(prices)], parts: { ledger } });
  await run.ask("test.shop", "put", { "price/a": 1 });
  const ask = async (capsule: string, key: string): Promise<string> =>
    code(await run.ask("test.reader", "ask", { capsule, keys: [key] }));
  held = false;
  assert.equal(await ask("test.shop", "price/a"), "LEDGER_LEASE_LOST");
  assert.equal(await ask("test.reader", "got/asked"), "ok");
  held = true;
  assert.equal(await ask("test.shop", "price/a"), "ok");
});

test("a read that had no answer when the node died is asked again, though its asker went on meanwhile", async () => {
  const [memory, clock] = [new LedgerMemory(), new MemoryClock()];
  const capsules = [shop(), reader(prices)];
  const before = await bootTestNode({ capsules, memory, clock });
  await before.ask("test.reader", "ask", { capsule: "test.shop", prefix: "price/" });
  await before.node[Symbol.asyncDispose]();
  // What the disk held had the node died after a later turn said that the read was released, and before its answer's turn.
  const kept = memory.shards.get("test.reader/0") ?? [];
  const decoded = kept.map(({ shard, seq, bytes }) => decodeRecord(shard, seq, bytes));
  const asked = decoded.findIndex(
    (record) => record.kind === "turn" && record.effects.some((one) => one.do === "read"),
  );
  const last = kept[asked];
  assert.ok(last !== undefined);
  const next = { ...(decoded[asked + 1] as TurnRecord), effects: [], released: last.seq };
  const delivery = { kind: "start", config: null, resumed: true } as const;
  const bytes = encodeRecord({ ...next, input: { from: "kernel", depth: 0, delivery } });
  const hash = chainHash(last.hash, bytes, digest);
  memory.shards.set("test.reader/0", [
    ...kept.slice(0, asked + 1),
    { shard: last.shard, seq: last.seq + 1, bytes, hash },
  ]);
  const after = await bootTestNode({ capsules, memory, clock });
  await after.settle();
  assert.deepEqual(await after.ask("test.reader", "got", {}), {
    ok: true,
    value: { "got/answered": 1, "got/asked": 1 },
  });
});

test("pages, one after the other, are every key under the prefix once, sorted, and each is bounded", () => {
  const name = fc.string({ unit: fc.constantFrom("a", "b", "ä", "\u{1f600}", "/"), maxLength: 5 });
  fc.assert(
    fc.property(
      fc.uniqueArray(name, { maxLength: 60 }),
      name,
      fc.integer({ min: 1, max: 20 }),
      fc.boolean(),
      (names, prefix, limit, byKeys) => {
        const state = emptyShard("x/0");
        names.forEach((key, index) => {
          state.keys.set(key, index);
          state.versions.set(key, index + 1);
        });
        const found: string[] = [];
        let after: string | null = null;
        do {
          const what = byKeys ? { keys: [...names, "zz"] } : { prefix };
          const page = readPage(state, { ...what, limit, ...(after === null ? {} : { after }) });
          assert.ok(page.values.length <= limit);
          found.push(...page.values.map(([key]) => key));
          after = page.next;
        } while (after !== null);
        const sorted = names.filter((key) => key.startsWith(prefix)).sort((a, b) => (a < b ? -1 : 1));
        assert.deepEqual(found, byKeys ? names : sorted);
      },
    ),
    { numRuns: 300 },
  );
});

test("a page ends before it is too large, and a value larger than a page still comes", () => {
  const state = emptyShard("x/0");
  for (const [index, key] of ["a", "b", "c"].entries()) {
    state.keys.set(key, "x".repeat(index === 1 ? 2 * MAX_READ_SIZE : MAX_READ_SIZE - 100));
    state.versions.set(key, 1);
  }
  const pages = [undefined, "a", "b"].map((after) =>
    readPage(state, { prefix: "", ...(after === undefined ? {} : { after }) }),
  );
  assert.deepEqual(
    pages.map(({ values, next }) => [values.map(([key]) => key), next]),
    [
      [["a"], "a"],
      [["b"], "b"],
      [["c"], null],
    ],
  );
});
