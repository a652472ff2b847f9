/** A replay over a store and a sandbox in memory: what is cut out of records against what is decoded, keys asked for late, what is trimmed under it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LedgerMemory, MemoryLedgerStore, MemorySandbox, type SandboxFaults } from "@vnes/driver-memory";
import {
  type LedgerStore,
  type ReplayParts,
  replayShard,
  type Sandbox,
  type StoredRecord,
} from "@vnes/kernel";
import type { Json, TurnResult } from "@vnes/schemas";
import { type Capsule, capsule } from "@vnes/sdk";
import { chainHash, genesisHash, hex } from "../../src/ledger/chain.ts";
import { encodeRecord, type LedgerRecord } from "../../src/ledger/record.ts";
import { serveKeys } from "../../src/ledger/served-keys.ts";
import { applyRecord, emptyShard } from "../../src/ledger/shard-state.ts";
import { digest } from "../harness/shard-harness.ts";

const SHARD = "test.replayed/0";
const IMAGE = { hash: `sha256:${"1".repeat(64)}` as const, files: [] };
const SPEC = {
  language: "javascript",
  entry: "impl/main.js",
  zone: "system",
  limits: { memoryMb: 32, turnMs: 1_000, cacheBytes: 1_000_000, effectBytes: 100_000 },
} as const;

/** `swap` asks for a version, which only the kernel knows once the key was written: every such turn is delivered twice. */
function sandboxWith(otherAt?: number, faults: SandboxFaults = {}): MemorySandbox {
  const made = (): Capsule =>
    capsule({
      calls: {
        "test.echo": (turn, input) => {
          turn.keys.set("last", input);
          turn.publish("test.v1", "k", { input: turn.at === otherAt ? "other" : input, luck: turn.random() });
          return input;
        },
        "test.swap": (turn) => {
          const version = turn.keys.version("last");
          turn.keys.set("last", version, { expect: version });
          return version;
        },
        "test.keep": (turn, input) => {
          turn.keys.set(`kept/${turn.at}`, input);
          return null;
        },
        "test.count": (turn) => {
          const count = ((turn.keys.get("count") ?? 0) as number) + 1;
          turn.keys.set("count", count);
          return count;
        },
        "test.log": (turn) => {
          turn.log("info", "said");
          return null;
        },
        "test.fail": () => {
          throw new Error("asked to");
        },
      },
    });
  return new MemorySandbox({ "test.replayed": made }, faults);
}

const sandbox = sandboxWith();

/** A ledger with what the capsule makes of the calls: call `n` is record `n + 2`, at time `1000 + n`. */
async function record(calls: readonly (readonly [method: string, input: Json])[]): Promise<LedgerStore> {
  const instance = await sandbox.open({ ...SPEC, instance: SHARD, image: IMAGE, group: "record" });
  const state = emptyShard(SHARD);
  const records: LedgerRecord[] = [
    { v: 1, kind: "activation", seq: 1, at: 1, image: IMAGE.hash, version: "1.0.0" },
  ];
  for (const [index, [method, input]] of calls.entries()) {
    const seq = index + 2;
    const call = { callId: `c:${seq}:0`, capability: "test", method, input, caller: "t", deadlineAt: 9 };
    const request = { turn: seq, at: 1_000 + index, seed: seq.toString(16).padStart(16, "0") };
    const delivery = { kind: "call", ...call } as const;
    let [result] = (await instance.deliver([{ ...request, delivery }])) as [TurnResult];
    if (result.kind === "needKeys")
      [result] = (await instance.deliver([{ ...request, delivery, ...serveKeys(state, result) }])) as [
        TurnResult,
      ];
    assert.ok(result.kind !== "needKeys");
    const turn: LedgerRecord = {
      v: 1,
      kind: "turn",
      seq,
      at: request.at,
      seed: request.seed,
      input: { from: "control", depth: 0, delivery },
      outcome: result.kind === "done" ? "ok" : { failed: result.code, message: result.message },
      effects: result.kind === "done" ? result.effects : [],
      released: seq - 1,
    };
    applyRecord(state, turn);
    records.push(turn);
  }
  await instance.dispose();
  const ledger = new MemoryLedgerStore(new LedgerMemory());
  let hash = genesisHash(SHARD, digest);
  const encoded = records.map((one) => {
    const bytes = encodeRecord(one);
    hash = chainHash(hash, bytes, digest);
    return { bytes, hash };
  });
  await ledger.append(SHARD, 0, encoded);
  return ledger;
}

function parts(ledger: LedgerStore): ReplayParts {
  return { ledger, sandbox, digest, shard: SHARD, imageOf: async () => IMAGE, specOf: () => SPEC };
}

const INPUTS: readonly Json[] = [
  null,
  "ä\u2028😀",
  { outcome: "ok", effects: [] },
  { a: { b: 1, outcome: "ok", effects: [{}] } },
  [`,"outcome":"ok","effects":[`, `],"released":1}`],
  "x".repeat(2_000),
];
const METHODS = ["echo", "swap", "echo", "log", "echo", "fail", "echo"] as const;
const CALLS = Array.from({ length: 700 }, (_, n): [string, Json] => [
  METHODS[n % METHODS.length] as string,
  INPUTS[(n * 5) % INPUTS.length] as Json,
]);

test("turns cut out of their records and turns decoded come to the same, whole and from the middle", async () => {
  const ledger = await record(CALLS);
  for (const range of [{}, { from: 300 }, { from: 77, to: 640 }]) {
    const cut = await replayShard(parts(ledger), range);
    // An instance for each turn: nothing is cut then.
    const decoded = await replayShard(parts(ledger), { ...range, fresh: true });
    assert.equal(cut.difference, null);
    assert.deepEqual({ ...cut, images: [] }, { ...decoded, images: [] });
    assert.equal(cut.replayedHash, cut.recordedHash);
    assert.ok(cut.turns > 300);
  }
});

test("a turn that asks for a key late is given what the records up to it add up to", async () => {
  const ledger = await record(
    CALLS.map(([method], n) => [n % 50 === 49 ? "swap" : method === "swap" ? "echo" : method, n]),
  );
  const report = await replayShard(parts(ledger));
  assert.deepEqual([report.difference, report.turns], [null, CALLS.length]);
});

/** Each answer is there before whoever asked hears of it. */
function handedOnLate(inner: Sandbox): Sandbox {
  const late = async <T>(answer: Promise<T>): Promise<T> => {
    const answered = await answer;
    await new Promise((resume) => setImmediate(resume));
    return answered;
  };
  return {
    open: async (spec) => {
      const instance = await inner.open(spec);
      return {
        deliver: (batch) => late(instance.deliver(batch)),
        repeat: (batch) => late(instance.repeat(batch)),
        reset: () => instance.reset(),
        meters: () => instance.meters(),
        dispose: () => instance.dispose(),
      };
    },
    [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
  };
}

test("turns that left after an answer had come that stops them, and before it was looked at, leave nothing behind (I2)", async () => {
  // A small state is given as a whole with the first key, and mends what was left behind.
  const large = Array.from({ length: 600 }, (): [string, Json] => ["keep", "x".repeat(2_000)]);
  const counted = Array.from({ length: 2_000 }, (_, n): [string, Json] => [
    n % 300 === 299 ? "swap" : "count",
    n,
  ]);
  const ledger = await record([...large, ["echo", 1], ...counted]);
  const report = await replayShard({ ...parts(ledger), sandbox: handedOnLate(sandbox) });
  assert.deepEqual([report.difference, report.turns], [null, 2_601]);
});

test("a turn that differs is named behind others that were cut", async () => {
  const ledger = await record(CALLS.slice(0, 300));
  const { difference, turns } = await replayShard({ ...parts(ledger), sandbox: sandboxWith(1_200) });
  assert.deepEqual(
    [difference?.seq, difference?.pointer, difference?.replayed],
    [202, "/effects/1/event/input", "other"],
  );
  assert.equal(turns, 201);
});

test("the hashes are the chain's behind the last turn: as recorded, and as it would be with what came again", async () => {
  const ledger = await record(CALLS.slice(0, 300));
  const hashOf = async (seq: number): Promise<Uint8Array> =>
    ((await ledger.read(SHARD, seq, 1))[0] as StoredRecord).hash;
  const whole = await replayShard(parts(ledger), { to: 150 });
  assert.equal(whole.recordedHash, hex(await hashOf(150)));
  assert.equal(whole.replayedHash, whole.recordedHash);
  for (const from of [1, 202]) {
    const differing = await replayShard({ ...parts(ledger), sandbox: sandboxWith(1_200) }, { from });
    const [stored] = (await ledger.read(SHARD, 202, 1)) as [StoredRecord];
    const text = new TextDecoder().decode(stored.bytes);
    const again = text.replace(/(?<="event":\{"input":).*?(?=,"luck":)/, '"other"');
    assert.notEqual(again, text);
    assert.equal(differing.recordedHash, hex(stored.hash));
    const bytes = new TextEncoder().encode(again);
    assert.equal(differing.replayedHash, hex(chainHash(await hashOf(201), bytes, digest)));
  }
});

test("records that are dropped while they are read end a replay by name", async () => {
  const ledger = await record(CALLS);
  const read = ledger.read.bind(ledger);
  const trimmed = Object.assign(ledger, {
    read: (shard: string, from: number, limit: number) => read(shard, from > 200 ? from + 50 : from, limit),
  });
  await assert.rejects(replayShard(parts(trimmed)), { code: "STATE_COMPACTED" });
});

test("a host that dies once is replaced; a turn that ends it each time is named, and one that differs before it is shown", async () => {
  const ledger = await record(CALLS.slice(0, 400));
  const whole = await replayShard(parts(ledger));
  const once = sandboxWith(undefined, { hostDiesAt: new Set([150]) });
  assert.deepEqual(await replayShard({ ...parts(ledger), sandbox: once }), whole);
  const hostDiesOn = ({ turn }: { readonly turn: number }): boolean => turn === 302;
  const killer = sandboxWith(undefined, { hostDiesOn });
  await assert.rejects(replayShard({ ...parts(ledger), sandbox: killer }), {
    code: "REPLAY_TURN_KILLED_HOST",
    message: /record 302 of shard test\.replayed\/0/,
  });
  const both = sandboxWith(1_282, { hostDiesOn });
  const { difference } = await replayShard({ ...parts(ledger), sandbox: both });
  assert.equal(difference?.seq, 284);
});
