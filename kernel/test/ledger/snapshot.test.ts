import assert from "node:assert/strict";
import { setImmediate as nextRound } from "node:timers/promises";
import { test } from "node:test";
import { LedgerMemory, MemoryClock, MemoryLedgerStore } from "@vnes/driver-memory";
import type { LedgerStore } from "@vnes/kernel";
import { isVnesError } from "@vnes/schemas";
import fc from "fast-check";
import type { LedgerRecord } from "../../src/ledger/record.ts";
import type { HistoryPolicy } from "../../src/ledger/retention.ts";
import { applyRecord, emptyShard, type ShardState } from "../../src/ledger/shard-state.ts";
import { TrackedMap } from "../../src/ledger/tracked-map.ts";
import { Counters } from "../../src/runtime/node/counters.ts";
import { readShardAt, type RecoveredShard, recoverShard } from "../../src/runtime/boot/recovery.ts";
import { ShardLog } from "../../src/runtime/ledger/shard-log.ts";
import { ShardSnapshots } from "../../src/runtime/ledger/shard-snapshots.ts";
import { Turnstile } from "../../src/runtime/shard/turnstile.ts";
import { plain } from "../harness/plain-state.ts";
import { recordOf, type Step, step } from "../harness/random-history.ts";
import { digest } from "../harness/shard-harness.ts";

const SHARD = "a/0";

/** The dumb model: every record ever appended, folded from the first. */
function folded(records: readonly LedgerRecord[], through = records.length): ShardState {
  const state = emptyShard(SHARD);
  for (const record of records.slice(0, through)) applyRecord(state, record);
  return state;
}

interface Writer {
  readonly state: ShardState;
  readonly log: ShardLog;
  readonly counters: Counters;
  readonly snapshots: ShardSnapshots;
  write(step: Step): LedgerRecord;
}

const TIGHT = { minRecords: 3, minShare: 0 };

function writer(
  store: LedgerStore,
  recovered: RecoveredShard | undefined,
  history: HistoryPolicy,
  policy = TIGHT,
): Writer {
  const state = recovered?.state ?? emptyShard(SHARD);
  const clock = new MemoryClock();
  const log = new ShardLog({ shard: SHARD, store, digest, clock, onStall: () => {} }, recovered?.head);
  const counters = new Counters();
  const turnstile = new Turnstile();
  const parts = { state, log, store, digest, counters, policy, history, turnstile };
  const snapshots = new ShardSnapshots(parts, recovered);
  return {
    state,
    log,
    counters,
    snapshots,
    write(one) {
      const record = recordOf(state, one);
      applyRecord(state, record);
      log.append([record]).catch(() => undefined);
      return record;
    },
  };
}

/** Puts every record that is appended from now on at its seq; what a crash loses is cut off again by `crash`. */
function watch(store: LedgerStore, records: LedgerRecord[]): void {
  const append = store.append.bind(store);
  store.append = (shard, expectedSeq, given) => {
    for (const [index, { bytes }] of given.entries())
      records[expectedSeq + index] = JSON.parse(new TextDecoder().decode(bytes)) as LedgerRecord;
    return append(shard, expectedSeq, given);
  };
}

/** Recovers from what a power cut now would leave, and compares with every record up to there. */
async function cut(memory: LedgerMemory, records: readonly LedgerRecord[]): Promise<RecoveredShard> {
  const store = new MemoryLedgerStore(memory.copy());
  const recovered = await recoverShard(store, SHARD, digest);
  const last = await store.lastSeq(SHARD);
  assert.equal(recovered.state.seq, last);
  assert.deepEqual(plain(recovered.state), plain(folded(records, last)));
  return recovered;
}

test("a frozen map is what it was, whatever is set, deleted and set again meanwhile (M1)", () => {
  const op = fc.record({
    name: fc.nat({ max: 8 }).map(String),
    value: fc.option(fc.nat(), { nil: undefined }),
  });
  fc.assert(
    fc.property(fc.array(op), fc.array(op), fc.array(op), (before, during, after) => {
      const map = new TrackedMap<number>();
      const run = (ops: typeof before): void => {
        for (const { name, value } of ops) {
          if (value === undefined) map.delete(name);
          else map.set(name, value);
        }
      };
      run(before);
      const was = new Map(map);
      const frozen = map.freeze();
      run(during);
      const seen = new Set([...map.keys(), ...frozen.changed()]);
      run(after);
      for (let name = 0; name <= 8; name++) assert.equal(frozen.at(String(name)), was.get(String(name)));
      assert.equal(frozen.entries, was.size);
      for (const name of was.keys()) assert.ok(seen.has(name), "a name that was there would not be written");
      map.thaw();
    }),
  );
});

test("a snapshot and the records after it are what folding every record gives, at any crash (N1, T1)", async () => {
  const history = fc.record({ maxRecords: fc.nat({ max: 20 }), maxAgeMs: fc.constantFrom(5, 1_000_000) });
  let snapshots = 0;
  let trimmed = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ step, rounds: fc.nat({ max: 3 }) }), { minLength: 1, maxLength: 60 }),
      fc.array(fc.nat({ max: 60 }), { maxLength: 4 }),
      history,
      async (steps, crashes, policy) => {
        let memory = new LedgerMemory();
        let store = new MemoryLedgerStore(memory);
        let records: LedgerRecord[] = [];
        watch(store, records);
        let shard = writer(store, undefined, policy);
        const count = (): void => {
          snapshots += shard.counters.get("snapshot.taken");
          trimmed += shard.counters.get("trim.records");
        };
        for (const [index, { step: one, rounds }] of steps.entries()) {
          shard.write(one);
          for (let round = 0; round < rounds; round++) {
            await nextRound();
            await cut(memory, records);
          }
          if (!crashes.includes(index)) continue;
          count();
          memory = memory.copy();
          store = new MemoryLedgerStore(memory);
          const recovered = await cut(memory, records);
          // What died goes on appending to its own disk, and to its own list.
          records = records.slice(0, recovered.state.seq);
          watch(store, records);
          shard = writer(store, recovered, policy);
        }
        await shard.log.settled();
        await shard.snapshots.close();
        await cut(memory, records);
        assert.equal(shard.counters.get("snapshot.failed"), 0);
        assert.equal(shard.counters.get("trim.failed"), 0);
        count();
      },
    ),
    { numRuns: 60 },
  );
  assert.ok(
    snapshots > 50 && trimmed > 50,
    `${snapshots} snapshots and ${trimmed} trimmed records prove little`,
  );
});

test("the state at any seq that is kept is the fold up to there; before it, STATE_COMPACTED names the oldest", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 30, maxLength: 60 }), async (steps) => {
      const store = new MemoryLedgerStore();
      const records: LedgerRecord[] = [];
      watch(store, records);
      const shard = writer(store, undefined, { maxRecords: 10, maxAgeMs: 1e9 });
      for (const one of steps) {
        shard.write(one);
        await nextRound();
      }
      await shard.snapshots.close();
      const first = await store.firstSeq(SHARD);
      assert.ok(first > 1, "nothing was trimmed");
      assert.ok(records.length - first >= 10, "history is shorter than policy asks for");
      for (let seq = 1; seq <= records.length; seq++) {
        const read = readShardAt(store, SHARD, seq, digest);
        if (seq >= first - 1) assert.deepEqual(plain(await read), plain(folded(records, seq)));
        else {
          const error = await read.then(
            () => undefined,
            (caught: unknown) => caught,
          );
          assert.ok(isVnesError(error) && error.code === "STATE_COMPACTED", String(error));
          assert.equal(error.details["oldest"], first - 1);
        }
      }
    }),
    { numRuns: 10 },
  );
});

const writes = (count: number, prefix = "k"): Step[] =>
  Array.from({ length: count }, (_, index) => ({
    input: "kernel",
    effects: [{ do: "write", key: `${prefix}/${index}`, value: "v".repeat(200) }],
    answers: false,
    pick: 0,
    released: 0,
    failed: false,
  }));

test("a snapshot writes the buckets that changed, and no chunk twice (N4)", async () => {
  const memory = new LedgerMemory();
  const store = new MemoryLedgerStore(memory);
  const shard = writer(
    store,
    undefined,
    { maxRecords: 1e9, maxAgeMs: 1e9 },
    { minRecords: 1e9, minShare: 0 },
  );
  for (const one of writes(4_000)) shard.write(one);
  await shard.snapshots.take();
  const all = shard.counters.get("snapshot.chunksPut");
  assert.ok(all > 16, `${all} chunks`);
  for (const one of writes(1)) shard.write(one);
  await shard.snapshots.take();
  const more = shard.counters.get("snapshot.chunksPut") - all;
  // One bucket of the keys; their versions may have one bucket only, and so may what else a turn touches.
  assert.ok(more <= 6, `one key written anew cost ${more} chunks of ${all}`);
  const recovered = await recoverShard(store, SHARD, digest);
  assert.equal(recovered.tail.records, 1);
  const again = writer(
    store,
    recovered,
    { maxRecords: 1e9, maxAgeMs: 1e9 },
    { minRecords: 1e9, minShare: 0 },
  );
  for (const one of writes(1)) again.write(one);
  await again.snapshots.take();
  assert.ok(again.counters.get("snapshot.chunksPut") <= 6, "recovery forgot which chunks are whole");
});

test("a damaged or missing chunk passes its snapshot over for the one before; with none left it is named", async () => {
  const memory = new LedgerMemory();
  const store = new MemoryLedgerStore(memory);
  const records: LedgerRecord[] = [];
  watch(store, records);
  const shard = writer(store, undefined, { maxRecords: 5, maxAgeMs: 1e9 }, { minRecords: 1e9, minShare: 0 });
  for (let round = 0; round < 3; round++) {
    for (const one of writes(8, `r${round}`)) shard.write(one);
    await shard.snapshots.take();
  }
  assert.ok((await store.firstSeq(SHARD)) > 1);
  const chunks = memory.chunks.get(SHARD) ?? new Map<string, Uint8Array>();
  const last = await store.read(SHARD, await store.lastSnapshot(SHARD), 1);
  const text = new TextDecoder().decode(last[0]?.bytes);
  const [newest] = [...chunks.keys()].filter((name) => text.includes(name) && text.includes(`"keys":`));
  const keysChunk = /"keys":\{[^}]*"buckets":\[\["([0-9a-f]+)"/.exec(text)?.[1] ?? newest ?? "";
  const whole = chunks.get(keysChunk) ?? new Uint8Array(0);
  assert.ok(whole.length > 100);
  for (const damage of ["flip", "remove"]) {
    const flipped = whole.slice();
    flipped[50] = (flipped[50] ?? 0) ^ 1;
    if (damage === "flip") chunks.set(keysChunk, flipped);
    else chunks.delete(keysChunk);
    const recovered = await recoverShard(store, SHARD, digest);
    assert.deepEqual(plain(recovered.state), plain(folded(records)));
    assert.deepEqual(
      recovered.damage.map(({ code }) => code),
      ["SNAPSHOT_CHUNK_DAMAGED"],
    );
    assert.match(recovered.damage[0]?.message ?? "", new RegExp(keysChunk));
  }
  chunks.clear();
  await assert.rejects(recoverShard(store, SHARD, digest), { code: "SNAPSHOT_CHUNK_DAMAGED" });
});

test("a shard whose first records are gone without a snapshot is named with its first record, not as compacted", async () => {
  const store = new MemoryLedgerStore();
  const shard = writer(store, undefined, { maxRecords: 5, maxAgeMs: 1e9 }, { minRecords: 1e9, minShare: 0 });
  for (const one of writes(8)) shard.write(one);
  await shard.snapshots.close();
  store.firstSeq = () => Promise.resolve(5);
  assert.equal(await store.lastSnapshot(SHARD), 0);
  await assert.rejects(recoverShard(store, SHARD, digest), {
    code: "LEDGER_RECORD_INVALID",
    message: new RegExp(`record 5 of shard ${SHARD} .*no snapshot`),
  });
});

test("a full disk costs the snapshot, not the shard; what was to be written is written by the next one (H2)", async () => {
  const memory = new LedgerMemory();
  const store = new MemoryLedgerStore(memory);
  const put = store.putChunk.bind(store);
  let full = false;
  store.putChunk = (...args) => (full ? Promise.reject(new Error("no space")) : put(...args));
  const shard = writer(store, undefined, { maxRecords: 0, maxAgeMs: 0 }, { minRecords: 1e9, minShare: 0 });
  for (const one of writes(50)) shard.write(one);
  await shard.snapshots.take();
  for (const one of writes(50, "more")) shard.write(one);
  full = true;
  await shard.snapshots.take();
  assert.equal(shard.counters.get("snapshot.failed"), 1);
  assert.equal(await store.lastSnapshot(SHARD), 51);
  await shard.log.settled();
  assert.equal((await recoverShard(store, SHARD, digest)).state.keys.size, 100);
  full = false;
  await shard.snapshots.take();
  const recovered = await recoverShard(store, SHARD, digest);
  assert.equal(recovered.tail.records, 1);
  assert.equal(recovered.state.keys.size, 100);
});

test("effects that wait come back in the order they were asked for", async () => {
  const store = new MemoryLedgerStore();
  const shard = writer(store, undefined, { maxRecords: 0, maxAgeMs: 0 }, { minRecords: 1e9, minShare: 0 });
  const publish = { do: "publish", topic: "x.v1", key: "", event: 1 } as const;
  const [one] = writes(1) as [Step];
  for (let seq = 1; seq <= 12; seq++)
    shard.write({ ...one, effects: Array.from({ length: 11 }, () => publish), released: 1e9 });
  await shard.snapshots.take();
  const { state, tail } = await recoverShard(store, SHARD, digest);
  assert.equal(tail.records, 1);
  assert.equal(state.outbox.size, 132);
  assert.deepEqual([...state.outbox.keys()], [...shard.state.outbox.keys()]);
});
