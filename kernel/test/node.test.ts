import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Bundle,
  LedgerMemory,
  MemoryClock,
  MemoryLedgerStore,
  MemoryQuarantine,
  MemorySandbox,
  memorySigner,
} from "@vnes/driver-memory";
import type { CapsuleImage } from "@vnes/kernel";
import { capsule, later, refuse, type Turn } from "@vnes/sdk";
import type { Json } from "@vnes/schemas";
import { decodeRecord } from "../src/ledger/record.ts";
import {
  bootTestNode,
  imageOf,
  manifestOf,
  signedImage,
  type TestCapsule,
  trust,
  keyId,
  policy,
} from "./node-harness.ts";

const anything = { type: "object" };
const schemas = (...names: string[]): { readonly [path: string]: unknown } => ({
  "spec/schema.json": { $defs: Object.fromEntries(names.map((name) => [`${name}.input`, anything])) },
});

const topic = (name: string, owner: string, quality: string, schema: unknown = anything): unknown => ({
  schema_version: "v1",
  topic: name,
  owner,
  description: "for a test",
  schemas: [schema],
  partition: { count: 1 },
  quality,
  retention: {},
  flow: { policy: quality === "at_most_once" ? "shed" : "block", buffer: 100 },
});

/** Counts what it is told, by call and by topic. */
const tally: TestCapsule = {
  manifest: manifestOf("test.tally", {
    capabilities: { provides: ["test.tally"] },
    bus: { subscribes: ["test.noted.v1"] },
    state: { owns: ["n/", "e/"] },
  }),
  spec: schemas("test.tally.note", "test.tally.get"),
  bundle: () =>
    capsule({
      calls: {
        "test.tally.note": (turn, input) => {
          const key = `n/${(input as { key: string }).key}`;
          const count = ((turn.keys.get(key) as number | undefined) ?? 0) + 1;
          turn.keys.set(key, count);
          return count;
        },
        "test.tally.get": (turn) =>
          Object.fromEntries([...turn.keys.entries("n/"), ...turn.keys.entries("e/")]),
      },
      events: {
        "test.noted.v1": (turn, event) => {
          const key = `e/${(event as { key: string }).key}`;
          turn.keys.set(key, ((turn.keys.get(key) as number | undefined) ?? 0) + 1);
        },
      },
    }),
};

/** Takes a call, publishes, asks tally, and answers when tally has. */
const intake: TestCapsule = {
  manifest: manifestOf("test.intake", {
    capabilities: { provides: ["test.intake"], requires: ["test.tally"] },
    bus: { publishes: ["test.noted.v1"] },
    state: { owns: ["seen/"] },
  }),
  spec: {
    ...schemas("test.intake.add", "test.intake.bad"),
    "spec/topics/test.noted.v1.json": topic("test.noted.v1", "test.intake", "exactly_once", {
      type: "object",
      required: ["key"],
      properties: { key: { type: "string" } },
    }),
  },
  bundle: () =>
    capsule({
      // Each boot publishes something new: it must not overtake what the last crash left unpublished.
      start: (turn) => turn.publish("test.noted.v1", "boot", { key: "boot" }),
      calls: {
        "test.intake.add": (turn, input, { callId }) => {
          const { key } = input as { key: string };
          if (key === "no") return refuse("INTAKE_NO", "not that one", { key });
          turn.keys.set(`seen/${key}`, turn.at);
          turn.publish("test.noted.v1", key, { key });
          turn.call({
            capability: "test.tally",
            method: "note",
            input: { key },
            tag: "noted",
            context: callId,
          });
          return later;
        },
        "test.intake.bad": (turn) => {
          turn.publish("test.noted.v1", "k", { wrong: true });
          return null;
        },
      },
      answers: {
        noted: (turn, answer, context) => turn.answer(context as string, answer),
      },
    }),
};

const both = [intake, tally];

test("capsules start in the order of their needs, and a call crosses two of them", async () => {
  const { node, ask } = await bootTestNode({ capsules: both });
  const { capsules, state } = await node.status();
  assert.deepEqual(
    capsules.map(({ id, state: s }) => [id, s]),
    [
      ["test.intake", "active"],
      ["test.tally", "active"],
    ],
  );
  assert.equal(state, "running");
  assert.deepEqual(await ask("test.intake", "add", { key: "a" }), { ok: true, value: 1 });
  assert.deepEqual(await ask("test.intake", "add", { key: "a" }), { ok: true, value: 2 });
  assert.deepEqual(await ask("test.tally", "get", {}), {
    ok: true,
    value: { "n/a": 2, "e/a": 2, "e/boot": 1 },
  });
  await node[Symbol.asyncDispose]();
});

test("a refusal arrives as coded data; an unknown capability, method or a bad event has its own code", async () => {
  const { node, ask } = await bootTestNode({ capsules: both });
  const code = async (...call: [string, string, Json]): Promise<unknown> =>
    ((await ask(...call)) as { code?: string }).code;
  assert.equal(await code("test.intake", "add", { key: "no" }), "INTAKE_NO");
  assert.equal(await code("test.nowhere", "add", {}), "CALL_CAPABILITY_UNAVAILABLE");
  assert.equal(await code("test.intake", "nope", {}), "CALL_METHOD_UNKNOWN");
  assert.equal(await code("test.intake", "add", 7), "CALL_INPUT_INVALID");
  assert.equal(await code("test.intake", "bad", {}), "TURN_EVENT_INVALID");
  await node[Symbol.asyncDispose]();
});

test("what was acknowledged is there after a restart, and every path counted it once", async () => {
  const memory = new LedgerMemory();
  const clock = new MemoryClock();
  for (let round = 1; round <= 3; round++) {
    const { node, ask } = await bootTestNode({ capsules: both, memory, clock });
    assert.deepEqual(await ask("test.intake", "add", { key: "a" }), { ok: true, value: round });
    const counted = await ask("test.tally", "get", {});
    assert.deepEqual(counted, { ok: true, value: { "n/a": round, "e/a": round, "e/boot": round } });
    await node[Symbol.asyncDispose]();
  }
});

/** A boot on memory drivers that is not done by then has crashed. */
async function rounds(count: number): Promise<undefined> {
  for (let round = 0; round < count; round++) await new Promise((resume) => setImmediate(resume));
}

test("a crash at any commit leaves both paths equal: at least what was acknowledged, each once", async () => {
  for (let commit = 8; commit <= 40; commit++) {
    for (const kept of [true, false]) {
      const memory = new LedgerMemory();
      const clock = new MemoryClock();
      const before = await Promise.race([
        bootTestNode({ capsules: both, memory, clock, faults: { crashAtCommit: { commit, kept } } }),
        rounds(300),
      ]);
      let acknowledged = 0;
      if (before !== undefined) {
        for (let n = 0; n < 6; n++) {
          void before.node.call("test.intake", "add", { key: "a" }, 10_000).then(({ ok }) => {
            if (ok) acknowledged++;
          });
          if (n % 2 === 1) await before.settle();
        }
        await before.settle();
      }
      memory.holder = undefined;
      const after = await bootTestNode({ capsules: both, memory, clock });
      await after.settle();
      const { value } = (await after.ask("test.tally", "get", {})) as { value: Record<string, number> };
      assert.equal(
        value["n/a"] ?? 0,
        value["e/a"] ?? 0,
        `commit ${commit} kept ${kept}: ${JSON.stringify(value)}`,
      );
      assert.ok((value["n/a"] ?? 0) >= acknowledged, `commit ${commit}: ${acknowledged} acknowledged`);
      assert.ok((value["n/a"] ?? 0) <= 6);
      await after.node[Symbol.asyncDispose]();
    }
  }
});

test("an image with one flipped byte is quarantined with the file named, and its dependents are refused by name", async () => {
  const image = signedImage(tally);
  const files = image.files.map((file) => [file.path, new TextDecoder().decode(file.bytes)]);
  const flipped = imageOf({ ...Object.fromEntries(files), "impl/main.js": "// test.tallY" });
  const { node, quarantine } = await bootTestNode({ capsules: both, images: [flipped, signedImage(intake)] });
  const [entry] = await quarantine.list();
  const mismatch = entry?.reasons.find(({ code }) => code === "RECEIPT_HASH_MISMATCH");
  assert.equal(mismatch?.file, "impl/main.js");
  const { capsules, quarantined } = await node.status();
  assert.equal(quarantined, 1);
  assert.deepEqual(
    capsules.map(({ id, state, reason }) => [id, state, reason]),
    [["test.intake", "unloaded", "BINDING_CAPABILITY_MISSING"]],
  );
  await node[Symbol.asyncDispose]();
});

test("a node whose required capsule is not verified refuses to boot and says why", async () => {
  const required = { ...policy, required: ["test.tally"] };
  const revoked = trust.keys.map((key) => ({
    ...key,
    revoked: { at: "2026-01-02T00:00:00Z", reason: "lost" },
  }));
  const parts = { policy: required, trust: { ...trust, keys: revoked } };
  await assert.rejects(
    bootTestNode({ capsules: both, parts }),
    (error: { code?: string; message: string }) => {
      assert.equal(error.code, "NODE_REQUIRED_CAPSULE_MISSING");
      assert.match(error.message, /SIGNATURE_KEY_REVOKED/);
      assert.match(error.message, new RegExp(keyId));
      return true;
    },
  );
});

test("what policy requires is verified before anything else is judged, and without it nothing else is", async () => {
  const required = { ...policy, required: ["test.tally"] };
  const memory = new LedgerMemory();
  const { node } = await bootTestNode({ capsules: both, memory, parts: { policy: required } });
  const records = await new MemoryLedgerStore(memory.copy()).read("kernel/test", 1, 1_000);
  const verified = records.flatMap(({ seq, bytes }) => {
    const record = decodeRecord("kernel/test", seq, bytes);
    if (record.kind !== "kernel") return [];
    return record.fact["to"] === "verified" ? [record.fact["capsule"]] : [];
  });
  assert.deepEqual(verified, ["test.tally", "test.intake"]);
  await node[Symbol.asyncDispose]();

  const spoiled = (capsule: TestCapsule): CapsuleImage => {
    const files = signedImage(capsule).files.map(({ path, bytes }) => [
      path,
      new TextDecoder().decode(bytes),
    ]);
    return imageOf({ ...Object.fromEntries(files), "impl/main.js": "// another" });
  };
  const [bad, broken] = [spoiled(intake), spoiled(tally)];
  const quarantine = new MemoryQuarantine();
  await assert.rejects(
    bootTestNode({ capsules: both, images: [bad, broken], parts: { policy: required, quarantine } }),
    { code: "NODE_REQUIRED_CAPSULE_MISSING" },
  );
  assert.deepEqual(
    (await quarantine.list()).map(({ id }) => id),
    ["test.tally"],
  );
});

test("a node that is to run what nobody has refuses to boot and names it", async () => {
  const parts = { run: ["test.intake", "test.intakee"] };
  await assert.rejects(
    bootTestNode({ capsules: both, parts }),
    (error: { code?: string; message: string }) => {
      assert.equal(error.code, "NODE_CAPSULE_NOT_FOUND");
      assert.match(error.message, /runs test\.intakee,/);
      return true;
    },
  );
});

test("a capsule of a zone nobody can confine here needs --unconfined-dev", async () => {
  const tenant = { ...tally, manifest: { ...tally.manifest, security: { trust_zone: "tenant" as const } } };
  const refused = await bootTestNode({ capsules: [tenant], images: [signedImage(tenant)] });
  assert.equal((await refused.node.status()).capsules[0]?.reason, "CAPSULE_ZONE_UNCONFINED");
  await refused.node[Symbol.asyncDispose]();
});

test("what ran without its wall is not run again without it either, not even for a replay (W1)", async () => {
  const tenants = both.map((one) => {
    return { ...one, manifest: { ...one.manifest, security: { trust_zone: "tenant" as const } } };
  });
  const memory = new LedgerMemory();
  const before = await bootTestNode({ capsules: tenants, memory, parts: { unconfinedDev: true } });
  assert.equal((await before.node.replay("test.tally")).difference, null);
  await before.node[Symbol.asyncDispose]();
  const { node } = await bootTestNode({ capsules: tenants, memory });
  await assert.rejects(node.replay("test.tally"), { code: "CAPSULE_ZONE_UNCONFINED" });
  await node[Symbol.asyncDispose]();
});

test("suspended, a capsule keeps what waits for it; resumed, it goes on; unloaded, its callers are told", async () => {
  const { node, ask, settle, clock } = await bootTestNode({ capsules: both });
  await node.suspend("test.tally");
  assert.equal(((await ask("test.tally", "get", {})) as { code?: string }).code, "CAPSULE_SUSPENDED");
  const waiting = node.call("test.intake", "add", { key: "a" }, 60_000);
  await settle();
  assert.equal((await node.status()).capsules.find(({ id }) => id === "test.tally")?.state, "suspended");
  await node.resume("test.tally");
  await settle();
  assert.deepEqual(await waiting, { ok: true, value: 1 });
  await assert.rejects(node.resume("test.tally"), { code: "LIFECYCLE_TRANSITION_ILLEGAL" });
  await assert.rejects(node.unload("test.tally"), (error: { code?: string; message: string }) => {
    assert.equal(error.code, "CAPSULE_IN_USE");
    assert.match(error.message, /test\.intake/);
    return true;
  });
  await node.unload("test.intake");
  await node.unload("test.tally");
  assert.equal(
    ((await ask("test.tally", "get", {})) as { code?: string }).code,
    "CALL_CAPABILITY_UNAVAILABLE",
  );
  assert.equal((await node.status()).state, "running");
  await assert.rejects(node.suspend("test.nobody"), { code: "CAPSULE_UNKNOWN" });
  clock.advance(100);
  await node[Symbol.asyncDispose]();
});

/** A driver that answers, and one that reports. */
const radio: TestCapsule = {
  manifest: manifestOf("test.radio", {
    type: "driver",
    capabilities: { provides: ["test.radio"], determinism_tier: "NX_experimental" },
    security: { trust_zone: "system", resources: ["net.udp"] },
    bus: { publishes: ["test.heard.v1"] },
  }),
  spec: {
    "spec/schema.json": {
      $defs: {
        "test.radio.send.input": { ...anything, x_effect: "at_most_once" },
        "test.radio.tune.input": { ...anything, x_effect: "idempotent" },
      },
    },
    "spec/topics/test.heard.v1.json": topic("test.heard.v1", "test.radio", "at_most_once"),
  },
};

const operator: TestCapsule = {
  manifest: manifestOf("test.operator", {
    capabilities: { provides: ["test.operator"], requires: ["test.radio"] },
    bus: { subscribes: ["test.heard.v1"] },
    state: { owns: ["log/"] },
  }),
  spec: schemas("test.operator.go", "test.operator.log"),
  bundle: () =>
    capsule({
      calls: {
        "test.operator.go": (turn, input) => {
          const { method } = input as { method: string };
          turn.call({ capability: "test.radio", method, input: {}, tag: "done", timeoutMs: 600_000 });
          return null;
        },
        "test.operator.log": (turn) => turn.keys.entries("log/").map(([, value]) => value),
      },
      answers: { done: (turn, answer) => note(turn, answer.ok ? answer.value : answer.code) },
      events: { "test.heard.v1": note },
    }),
};

function note(turn: Turn, value: Json): void {
  turn.keys.set(`log/${turn.keys.entries("log/").length}`, value);
}

test("what a driver reports is recorded as the input of the turn that consumes it", async () => {
  let report: ((topic: string, key: string, event: Json) => void) | undefined;
  const { node, ask, settle } = await bootTestNode({
    capsules: [radio, operator],
    drivers: {
      "test.radio": (spec) => {
        report = (...args) => spec.onPublish(...args);
        return { call: () => ({ ok: true, value: "sent" }) };
      },
    },
  });
  report?.("test.heard.v1", "k", { heard: 1 });
  report?.("test.other.v1", "k", { heard: 1 });
  await settle();
  await ask("test.operator", "go", { method: "send" });
  assert.deepEqual(await ask("test.operator", "log", {}), { ok: true, value: [{ heard: 1 }, "sent"] });
  assert.equal((await node.status()).counters["device.publishRefused"], 1);
  await node[Symbol.asyncDispose]();
});

test("after a crash a call to a driver is repeated if idempotent, and ended with a code if at most once", async () => {
  for (const [method, expected, calls] of [
    ["send", "CALL_DROPPED_ON_RECOVERY", 0],
    ["tune", "tuned", 1],
  ] as const) {
    const memory = new LedgerMemory();
    const clock = new MemoryClock();
    const silent = { "test.radio": () => ({ call: () => new Promise<never>(() => {}) }) };
    const before = await bootTestNode({ capsules: [radio, operator], memory, clock, drivers: silent });
    await before.ask("test.operator", "go", { method });
    memory.holder = undefined;
    let called = 0;
    const after = await bootTestNode({
      capsules: [radio, operator],
      memory,
      clock,
      drivers: {
        "test.radio": () => ({
          call: () => {
            called++;
            return { ok: true, value: "tuned" };
          },
        }),
      },
    });
    await after.settle();
    assert.deepEqual(await after.ask("test.operator", "log", {}), { ok: true, value: [expected] });
    assert.equal(called, calls);
    await after.node[Symbol.asyncDispose]();
  }
});

test("a changed byte in the ledger is found at boot, with the shard and seq", async () => {
  const memory = new LedgerMemory();
  const { node, ask } = await bootTestNode({ capsules: both, memory });
  await ask("test.intake", "add", { key: "a" });
  await node[Symbol.asyncDispose]();
  const record = memory.shards.get("test.tally/0")?.[1];
  assert.ok(record);
  record.bytes[20] = (record.bytes[20] as number) ^ 1;
  await assert.rejects(
    bootTestNode({ capsules: both, memory }),
    (error: { code?: string; message: string }) => {
      assert.equal(error.code, "LEDGER_HASH_WRONG");
      assert.match(error.message, /record 2 of shard test\.tally\/0/);
      return true;
    },
  );
});

test("a node that loses its ledger while it boots refuses to boot, with the reason, and does not hang", async () => {
  for (let append = 1; append <= 12; append++) {
    const faults = { ioFailedAt: append };
    await assert.rejects(
      bootTestNode({ capsules: both, faults }),
      { code: "LEDGER_IO_FAILED" },
      `append ${append}`,
    );
  }
});

test("a capsule that keeps killing its host is suspended; after another chance it is unloaded and its image denied", async () => {
  const memory = new LedgerMemory();
  const clock = new MemoryClock();
  const hostDiesAt = new Set(Array.from({ length: 500 }, (_, index) => index + 2));
  const sandbox = new MemorySandbox({ "test.tally": tally.bundle as () => Bundle }, { hostDiesAt });
  const alone = { ...tally, manifest: { ...tally.manifest, bus: {} } };
  const { node, settle, quarantine } = await bootTestNode({
    capsules: [alone],
    memory,
    clock,
    parts: { sandbox },
  });
  assert.equal((await quarantine.list()).length, 0);
  const killThrice = async (): Promise<string | undefined> => {
    const answers = [1, 2, 3].map(() => node.call("test.tally", "get", {}, 1_000));
    for (let round = 0; round < 30; round++) {
      await settle();
      clock.advance(50);
    }
    assert.deepEqual(
      (await Promise.all(answers)).map((answer) => (answer.ok ? "ok" : answer.code)),
      Array(3).fill("TURN_KILLED_HOST"),
    );
    return (await node.status()).capsules[0]?.state;
  };
  assert.equal(await killThrice(), "suspended");
  await node.resume("test.tally");
  assert.equal(await killThrice(), "unloaded");
  await node[Symbol.asyncDispose]();
  const next = await bootTestNode({ capsules: [alone], memory, clock });
  assert.deepEqual(
    (await next.quarantine.list()).map(({ reasons }) => reasons[0]?.code),
    ["CAPSULE_IMAGE_DENIED"],
  );
  await next.node[Symbol.asyncDispose]();
});

test("a capsule that policy requires cannot be unloaded; one that went down by itself makes the node degraded", async () => {
  const parts = { policy: { ...policy, required: ["test.tally"] } };
  const down = {
    ...tally,
    manifest: { ...manifestOf("test.down"), state: { owns: ["x/"] } },
    bundle: () =>
      capsule({
        start: () => {
          throw new Error("no");
        },
      }),
  };
  const { node } = await bootTestNode({ capsules: [tally, intake, down], parts });
  await assert.rejects(node.unload("test.tally"), { code: "CAPSULE_IN_USE" });
  const { state, problems } = await node.status();
  assert.equal(state, "degraded");
  assert.deepEqual(
    problems.map(({ code, file }) => [code, file]),
    [["CAPSULE_DOWN", "test.down"]],
  );
  await node[Symbol.asyncDispose]();
});

test("a node that finds no space while it boots refuses to boot with LEDGER_DISK_FULL", async () => {
  for (const append of [1, 4, 9]) {
    const diskFullAt = new Set(Array.from({ length: 1_000 }, (_, index) => append + index));
    await assert.rejects(bootTestNode({ capsules: both, faults: { diskFullAt } }), {
      code: "LEDGER_DISK_FULL",
    });
  }
});

test("on a full disk a running node says so at once, to callers and in its status, and still ends when asked", async () => {
  const full = new Set<number>();
  const { node, ask, clock, settle } = await bootTestNode({
    capsules: both,
    faults: { diskFullAt: full },
    parts: { signer: memorySigner() },
  });
  for (let append = 1; append < 10_000; append++) full.add(append);
  const waiting = node.call("test.intake", "add", { key: "a" }, 60_000);
  await settle();
  assert.equal((await node.status()).state, "degraded");
  assert.equal(((await ask("test.tally", "get", {})) as { code?: string }).code, "LEDGER_DISK_FULL");
  const ended = node[Symbol.asyncDispose]();
  await settle();
  clock.advance(5_000);
  await ended;
  assert.equal(((await waiting) as { code?: string }).code, "NODE_STOPPING");
  // A wake-up that is set again and again would keep the process.
  clock.advance(60_000);
  assert.equal(clock.nextWakeAt, undefined);
});

test("on a full disk every question that would wait is answered at once, what is durable is still told, and branches go on", async () => {
  const full = new Set<number>();
  const { node, clock, settle } = await bootTestNode({ capsules: both, faults: { diskFullAt: full } });
  await settle();
  for (let append = 1; append < 10_000; append++) full.add(append);
  const code = async (asked: Promise<unknown>): Promise<unknown> => {
    let ended: unknown = "waits";
    asked.then(
      () => (ended = "done"),
      (error: { code?: unknown }) => (ended = error.code),
    );
    await settle();
    return ended;
  };
  const { state } = node;
  const read = (capsule: string): Promise<unknown> => state.read({ capsule }, { prefix: "" });
  // The first that finds the disk full is a branch: nobody else has met it yet.
  assert.equal(await code(state.branches.create("test.tally/0", undefined, "b")), "LEDGER_DISK_FULL");
  assert.equal(await code(state.branches.list()), "done");
  void node.call("test.intake", "add", { key: "a" }, 60_000);
  // Before the turn, while it is being written, and after the store refused it.
  const early: Promise<unknown>[] = [];
  for (let tick = 0; tick < 200; tick++) {
    early.push(code(read("test.intake")));
    await Promise.resolve();
  }
  const ends = await Promise.all(early);
  assert.ok(!ends.includes("waits"));
  assert.equal(await code(read("test.intake")), "LEDGER_DISK_FULL");
  assert.equal(await code(read("test.tally")), "done");
  assert.equal(await code(node.suspend("test.tally")), "LEDGER_DISK_FULL");
  assert.equal(await code(node.topics.publish("test.noted.v1", "k", { key: "k" })), "LEDGER_DISK_FULL");
  assert.equal(await code(state.branches.create("test.tally/0", undefined, "b")), "LEDGER_DISK_FULL");
  full.clear();
  clock.advance(5_000);
  await settle();
  assert.equal(await code(read("test.intake")), "done");
  assert.equal(await code(state.branches.create("test.tally/0", undefined, "b")), "done");
  await node[Symbol.asyncDispose]();
});

test("a chain of calls longer than sixteen is refused by name", async () => {
  const link = (n: number): TestCapsule => ({
    manifest: manifestOf(`test.c${n}`, {
      capabilities: { provides: [`test.c${n}`], requires: n === 20 ? [] : [`test.c${n + 1}`] },
    }),
    spec: schemas(`test.c${n}.go`),
    bundle: () =>
      capsule({
        calls: {
          [`test.c${n}.go`]: (turn, _input, { callId }) => {
            if (n === 20) return n;
            turn.call({
              capability: `test.c${n + 1}`,
              method: "go",
              input: {},
              tag: "back",
              context: callId,
            });
            return later;
          },
        },
        answers: { back: (turn, answer, context) => turn.answer(context as string, answer) },
      }),
  });
  const { node, ask, settle } = await bootTestNode({
    capsules: Array.from({ length: 20 }, (_, index) => link(index + 1)),
  });
  const short = await ask("test.c5", "go", {});
  assert.deepEqual(short, { ok: true, value: 20 });
  const long = node.call("test.c1", "go", {}, 10_000);
  for (let round = 0; round < 5; round++) await settle();
  assert.equal(((await long) as { code?: string }).code, "CALL_TOO_DEEP");
  await node[Symbol.asyncDispose]();
});
