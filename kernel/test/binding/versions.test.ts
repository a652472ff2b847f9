/** Versions, compare-and-set, keys that expire and atomic writes: on a whole node, against a dumb model, through crashes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LedgerMemory, MemoryClock } from "@vnes/driver-memory";
import { capsule, type WriteOptions } from "@vnes/sdk";
import type { Json } from "@vnes/schemas";
import fc from "fast-check";
import { bootTestNode, manifestOf, type TestCapsule, type TestNode } from "../harness/node-harness.ts";

const anything = {};
const methods = ["put", "drop", "get", "move"];

const box: TestCapsule = {
  manifest: manifestOf("test.box", {
    capabilities: { provides: ["test.box"] },
    state: { owns: ["k/"] },
  }),
  spec: {
    "spec/schema.json": {
      $defs: Object.fromEntries(methods.map((name) => [`test.box.${name}.input`, anything])),
    },
  },
  bundle: () =>
    capsule({
      calls: {
        "test.box.put": (turn, input) => {
          const { key, value, ...options } = input as unknown as { key: string; value: Json } & WriteOptions;
          turn.keys.set(key, value, options);
          return null;
        },
        "test.box.drop": (turn, input) => {
          const { key, ...options } = input as unknown as { key: string } & Pick<WriteOptions, "expect">;
          turn.keys.delete(key, options);
          return null;
        },
        "test.box.get": (turn, input) => {
          const key = input as string;
          return { value: turn.keys.get(key) ?? null, version: turn.keys.version(key) };
        },
        "test.box.move": (turn, input) => {
          const { amount } = input as { amount: number };
          for (const [key, by] of [
            ["k/left", -amount],
            ["k/right", amount],
          ] as const)
            turn.keys.set(key, ((turn.keys.get(key) as number | undefined) ?? 100) + by);
          return null;
        },
      },
    }),
};

const SHARD = "test.box/0";

async function seqOf({ node }: TestNode): Promise<number> {
  return (await node.status()).capsules[0]?.shards[SHARD] ?? 0;
}

const codeOf = (answer: Json): Json => {
  const { ok, code } = answer as { ok: boolean; code?: string };
  return ok ? "ok" : (code ?? "");
};

interface Entry {
  readonly value: number;
  readonly version: number;
  readonly expiresAt: number;
}

type Step =
  | {
      readonly do: "put";
      readonly key: string;
      readonly ttlMs?: number;
      readonly expect?: "right" | "none" | "wrong";
    }
  | { readonly do: "drop"; readonly key: string; readonly expect?: "right" | "wrong" }
  | { readonly do: "get"; readonly key: string }
  | { readonly do: "wait"; readonly ms: number }
  | { readonly do: "crash" };

const key = fc.constantFrom("k/a", "k/b", "k/c");
const maybe = <T>(one: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(one, { nil: undefined });
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("put"),
      key,
      ttlMs: maybe(fc.integer({ min: 1, max: 60 })),
      expect: maybe(fc.constantFrom("right", "none", "wrong")),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("drop"), key, expect: maybe(fc.constantFrom("right", "wrong")) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("get"), key }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("wait"), ms: fc.integer({ min: 1, max: 40 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("crash") }) },
) as fc.Arbitrary<Step>;

test("a key has the version of the record that wrote it, compare-and-set goes by it, and it expires once, also over crashes", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
      const [memory, clock] = [new LedgerMemory(), new MemoryClock()];
      let run = await bootTestNode({ capsules: [box], memory, clock });
      const model = new Map<string, Entry>();
      const expire = (): void => {
        for (const [name, { expiresAt }] of model) if (expiresAt <= clock.now()) model.delete(name);
      };
      for (const [n, one] of steps.entries()) {
        if (one.do === "wait") {
          clock.advance(one.ms);
          await run.settle();
          expire();
          continue;
        }
        if (one.do === "crash") {
          memory.holder = undefined;
          run = await bootTestNode({ capsules: [box], memory, clock });
          await run.settle();
          continue;
        }
        const found = model.get(one.key);
        const version = found?.version ?? null;
        if (one.do === "get") {
          const answer = await run.ask("test.box", "get", one.key);
          assert.deepEqual(answer, { ok: true, value: { value: found?.value ?? null, version } });
          continue;
        }
        const expect = { right: version, none: null, wrong: (version ?? 0) + 1 }[one.expect ?? "right"];
        const more = one.expect === undefined ? {} : { expect };
        const ttl = one.do === "put" && one.ttlMs !== undefined ? { ttlMs: one.ttlMs } : {};
        const input = { key: one.key, ...(one.do === "put" ? { value: n } : {}), ...more, ...ttl };
        const answer = await run.ask("test.box", one.do, input as unknown as Json);
        const fits = one.expect === undefined || expect === version;
        assert.equal(codeOf(answer), fits ? "ok" : "TURN_VERSION_CONFLICT");
        if (!fits) continue;
        if (one.do === "drop") model.delete(one.key);
        else
          model.set(one.key, {
            value: n,
            version: await seqOf(run),
            expiresAt: ttl.ttlMs === undefined ? Number.POSITIVE_INFINITY : clock.now() + ttl.ttlMs,
          });
      }
      for (const [name, { value, version }] of model) {
        const answer = await run.ask("test.box", "get", name);
        assert.deepEqual(answer, { ok: true, value: { value, version } });
      }
    }),
    { numRuns: 60 },
  );
});

test("a key that expired while the node was down is gone once it runs again; one written again since lives on", async () => {
  const [memory, clock] = [new LedgerMemory(), new MemoryClock()];
  const before = await bootTestNode({ capsules: [box], memory, clock });
  for (const name of ["k/a", "k/b", "k/c"])
    await before.ask("test.box", "put", { key: name, value: 1, ttlMs: 1_000 });
  await before.ask("test.box", "put", { key: "k/b", value: 2 });
  await before.ask("test.box", "put", { key: "k/c", value: 3, ttlMs: 100_000 });
  await before.node[Symbol.asyncDispose]();
  clock.advance(5_000);
  const after = await bootTestNode({ capsules: [box], memory, clock });
  clock.advance(0);
  await after.settle();
  const value = async (name: string): Promise<Json> =>
    ((await after.ask("test.box", "get", name)) as { value: { value: Json } }).value.value;
  assert.deepEqual(await Promise.all(["k/a", "k/b", "k/c"].map(value)), [null, 2, 3]);
});

test("an expiry that waits behind a write of its key is dropped, and the sandbox forgets what it deleted", async () => {
  const run = await bootTestNode({ capsules: [box] });
  await run.ask("test.box", "put", { key: "k/a", value: 1, ttlMs: 100 });
  const written = run.node.call("test.box", "put", { key: "k/a", value: 2 }, 5_000);
  run.clock.advance(100);
  await run.settle();
  assert.equal((await written).ok, true);
  const read = (await run.ask("test.box", "get", "k/a")) as { value: { value: Json; version: number } };
  assert.deepEqual(read.value, { value: 2, version: await seqOf(run) });
  assert.equal((await run.node.status()).counters["turn.stale.expiry"], 1);
});

test("expectations, versions and expiries come out the same when they are replayed", async () => {
  const run = await bootTestNode({ capsules: [box] });
  for (let n = 0; n < 6; n++) {
    await run.ask("test.box", "put", { key: `k/${n % 3}`, value: n, ttlMs: 30 + n });
    const { value } = (await run.ask("test.box", "get", "k/0")) as unknown as {
      value: { version: number | null };
    };
    await run.ask("test.box", "put", { key: "k/0", value: n, expect: value.version });
    await run.ask("test.box", "put", { key: "k/0", value: n, expect: 1 });
    run.clock.advance(20);
    await run.settle();
  }
  const report = await run.node.replay("test.box");
  assert.equal(report.difference, null);
  assert.ok(report.turns > 12, `${report.turns} turns`);
});

test("what one turn writes is there whole or not at all, at whatever commit the node dies", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 2, max: 20 }), fc.boolean(), async (commit, kept) => {
      const [memory, clock] = [new LedgerMemory(), new MemoryClock()];
      const faults = { crashAtCommit: { commit, kept } };
      const before = bootTestNode({ capsules: [box], memory, clock, faults });
      const run = await Promise.race([before.catch(() => undefined), rounds(400)]);
      let moved = 0;
      for (let n = 0; run !== undefined && n < 8; n++) {
        const answer = run.node.call("test.box", "move", { amount: 1 }, 50);
        await run.settle();
        clock.advance(60);
        await run.settle();
        if (codeOf((await answer) as unknown as Json) === "ok") moved++;
      }
      memory.holder = undefined;
      const after = await bootTestNode({ capsules: [box], memory, clock });
      const [left, right] = await Promise.all(
        ["k/left", "k/right"].map((name) => after.ask("test.box", "get", name)),
      );
      const of = (answer: Json | undefined): { value: number | null; version: number | null } =>
        (answer as { value: { value: number | null; version: number | null } }).value;
      assert.equal((of(left).value ?? 100) + (of(right).value ?? 100), 200);
      assert.equal(of(left).version, of(right).version);
      assert.ok((of(right).value ?? 100) - 100 >= moved);
    }),
    { numRuns: 25 },
  );
});

/** A boot that crashed may never end: as many turns of the event loop as a whole one takes, and more. */
async function rounds(count: number): Promise<undefined> {
  for (let round = 0; round < count; round++) await new Promise((resume) => setImmediate(resume));
}

test("a write under another's prefix is refused with its owner's name", async () => {
  const thief: TestCapsule = {
    manifest: manifestOf("test.thief", {
      capabilities: { provides: ["test.thief"] },
      state: { owns: ["t/"] },
    }),
    spec: { "spec/schema.json": { $defs: { "test.thief.put.input": anything } } },
    bundle: () =>
      capsule({
        calls: {
          "test.thief.put": (turn, input) => {
            turn.keys.set(input as string, 1);
            return null;
          },
        },
      }),
  };
  const run = await bootTestNode({ capsules: [box, thief] });
  const refused = (await run.ask("test.thief", "put", "k/a")) as { code: string; details: Json };
  assert.equal(refused.code, "TURN_KEY_NOT_OWNED");
  assert.deepEqual(refused.details, { key: "k/a", capsule: "test.thief", owner: "test.box" });
  const unowned = (await run.ask("test.thief", "put", "z/a")) as { details: { owner: string } };
  assert.equal(unowned.details.owner, "none");
  assert.equal(codeOf(await run.ask("test.thief", "put", "t/a")), "ok");
  // Half a surrogate pair: as UTF-8 it would be the same key as any other half.
  assert.equal(codeOf(await run.ask("test.thief", "put", "t/\ud83d")), "TURN_KEY_INVALID");
  assert.equal(codeOf(await run.ask("test.thief", "put", "t/\ud83d\ude00")), "ok");
});

test("an expectation is a version, a time to live is a bounded number, and both are refused by name", async () => {
  const run = await bootTestNode({ capsules: [box] });
  const put = (more: { readonly [name: string]: Json }): Promise<Json> =>
    run.ask("test.box", "put", { key: "k/a", value: 1, ...more });
  assert.equal(codeOf(await put({ expect: 0 })), "TURN_EFFECT_INVALID");
  assert.equal(codeOf(await put({ ttlMs: 1.5 })), "TURN_EFFECT_INVALID");
  assert.equal(codeOf(await put({ ttlMs: Number.MAX_SAFE_INTEGER })), "TURN_TTL_INVALID");
  const conflict = (await put({ expect: 7 })) as { code: string; details: Json };
  assert.deepEqual(conflict.details, { key: "k/a", expected: 7, found: null });
});
