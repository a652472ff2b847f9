/** What a boot reads before anything runs: folding records, with and without snapshots, and what snapshots cost. */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { MemoryClock } from "@vnes/driver-memory";
import { openSqliteLedgerStore } from "@vnes/driver-sqlite";
import { nodeDigest as digest } from "@vnes/registry";
import { SNAPSHOT_POLICY, type SnapshotPolicy } from "../../kernel/src/ledger/snapshot-policy.ts";
import type { TurnRecord } from "../../kernel/src/ledger/record.ts";
import { applyRecord, emptyShard, type ShardState } from "../../kernel/src/ledger/shard-state.ts";
import { Counters } from "../../kernel/src/runtime/node/counters.ts";
import { recoverShard } from "../../kernel/src/runtime/boot/recovery.ts";
import { ShardLog } from "../../kernel/src/runtime/ledger/shard-log.ts";
import { ShardSnapshots } from "../../kernel/src/runtime/ledger/shard-snapshots.ts";
import { Turnstile } from "../../kernel/src/runtime/shard/turnstile.ts";
import { atLeast, atMost, type BenchResult, median } from "./result.ts";

const SHARD = "bench/0";
/** Keys the turns write, each over and over. */
const KEYS = 2_000;
/** Records appended together, as a busy shard's batches are. */
const BATCH = 256;
const FOLD_RECORDS = 100_000;
/** A shard's default bound is 64 MiB; this is about it, in values of 1 KB. */
const LARGE_STATE_KEYS = 60_000;
/** A third of that, so that its tail takes seconds to write and not a minute. */
const TAIL_STATE_KEYS = 20_000;
const NEVER: SnapshotPolicy = { minRecords: Number.POSITIVE_INFINITY, minShare: 0 };

export const name = "recovery";

export const notMeasured: readonly string[] = [
  "a cold file cache: the ledger was just written",
  "the rest of a boot: admission, sandboxes, start turns (see the bench of boot)",
  "a ledger on NATS",
];

export async function run(): Promise<readonly BenchResult[]> {
  const directory = mkdtempSync(join(tmpdir(), "vnes-bench-recovery-"));
  try {
    return [
      ...(await folding(directory)),
      ...(await flat(directory)),
      ...(await cost(directory)),
      ...(await largeState(directory)),
      ...(await longestTail(directory)),
    ];
  } finally {
    rmSync(directory, { recursive: true });
  }
}

interface Shard {
  readonly state: ShardState;
  readonly log: ShardLog;
  readonly snapshots: ShardSnapshots;
  readonly counters: Counters;
  turns(count: number, keys?: number, valueBytes?: number): Promise<void>;
}

type Store = Awaited<ReturnType<typeof openSqliteLedgerStore>>;

function open(store: Store, policy: SnapshotPolicy): Shard {
  const state = emptyShard(SHARD);
  const log = new ShardLog(
    { shard: SHARD, store, digest, clock: new MemoryClock(), onStall: () => undefined },
    undefined,
  );
  const counters = new Counters();
  const history = { maxRecords: 10_000, maxAgeMs: Number.POSITIVE_INFINITY };
  const turnstile = new Turnstile();
  const snapshots = new ShardSnapshots(
    { state, log, store, digest, counters, policy, history, turnstile },
    undefined,
  );
  return {
    state,
    log,
    snapshots,
    counters,
    async turns(count, keys = KEYS, valueBytes = 120) {
      const filler = "x".repeat(valueBytes);
      for (let done = 0; done < count; done += BATCH) {
        const records = Array.from({ length: Math.min(BATCH, count - done) }, () => {
          const record = turn(state.seq + 1, keys, filler);
          applyRecord(state, record);
          return record;
        });
        await log.append(records);
      }
    },
  };
}

/** What a small turn of a capsule leaves: one call, one key. */
function turn(seq: number, keys: number, filler: string): TurnRecord {
  const key = `k/${(seq * 7_919) % keys}`;
  const callId = `client/0:${seq}:0`;
  const asked = { capability: "c", method: "m", input: { key }, caller: "client", deadlineAt: seq + 1_000 };
  return {
    v: 1,
    kind: "turn",
    seq,
    at: seq,
    seed: "0000000000000000",
    input: {
      from: "effect",
      shard: "client/0",
      seq,
      index: 0,
      depth: 1,
      delivery: { kind: "call", callId, ...asked },
    },
    outcome: "ok",
    effects: [
      { do: "write", key, value: { seq, filler } },
      { do: "answer", callId, answer: { ok: true, value: seq } },
    ],
    released: seq - 1,
  };
}

async function folding(directory: string): Promise<BenchResult[]> {
  const path = join(directory, "fold");
  await using store = await openSqliteLedgerStore({ path });
  await open(store, NEVER).turns(FOLD_RECORDS);
  const rates: number[] = [];
  const ofThread: number[] = [];
  for (let round = 0; round < 5; round++) {
    const before = cpuMs();
    const ms = await recoveryMs(store, FOLD_RECORDS);
    ofThread.push((FOLD_RECORDS / (cpuMs() - before)) * 1_000);
    rates.push((FOLD_RECORDS / ms) * 1_000);
  }
  const value = median(rates);
  const metric = `records folded without a snapshot (read, hashed, decoded, applied), of ${FOLD_RECORDS}`;
  return [
    { metric, value, unit: "records/s", target: atLeast(value, 100_000, "records/s") },
    {
      metric: "the same for each second of its thread's CPU time",
      value: median(ofThread),
      unit: "records/s",
    },
  ];
}

/** From a thousand records to a million: with snapshots a boot reads the newest and what follows. */
async function flat(directory: string): Promise<BenchResult[]> {
  const path = join(directory, "flat");
  await using store = await openSqliteLedgerStore({ path });
  const shard = open(store, SNAPSHOT_POLICY);
  const results: BenchResult[] = [];
  let atThousand = 0;
  for (const records of [1_000, 10_000, 100_000, 1_000_000]) {
    await shard.turns(records - shard.state.seq);
    const ms = median(await times(3, () => recoveryMs(store, shard.state.seq)));
    const megabytes = statSync(path).size / 2 ** 20;
    const metric = `recovery after ${records.toLocaleString("en")} records (file ${megabytes.toFixed(0)} MiB)`;
    if (records === 1_000) atThousand = ms;
    // The tail is anything up to the records between two snapshots, whatever came before.
    const bound = atThousand * 12 + 60;
    results.push({ metric, value: ms, unit: "ms", target: atMost(ms, Math.ceil(bound), "ms") });
  }
  return results;
}

async function cost(directory: string): Promise<BenchResult[]> {
  const records = 40_000;
  const took: { [name: string]: number[] } = { with: [], without: [] };
  let put = 0;
  let written = 0;
  for (let round = 0; round < 3; round++) {
    for (const [which, policy] of [
      ["without", NEVER],
      ["with", SNAPSHOT_POLICY],
    ] as const) {
      await using store = await openSqliteLedgerStore({ path: join(directory, `cost-${which}-${round}`) });
      const shard = open(store, policy);
      const startedAt = performance.now();
      await shard.turns(records);
      took[which]?.push(performance.now() - startedAt);
      put = shard.counters.get("snapshot.bytesPut");
      written = shard.log.bytes;
      await shard.snapshots.close();
    }
  }
  const rate = (ms: readonly number[]): number => (records / median(ms)) * 1_000;
  return [
    {
      metric: `records appended with snapshots and trims, ${BATCH} at a time`,
      value: rate(took["with"] ?? []),
      unit: "records/s",
      peer: { name: "without", value: rate(took["without"] ?? []) },
    },
    {
      metric: "bytes of chunks written for each byte of records",
      value: put / written,
      unit: "bytes",
    },
  ];
}

/** How long the event loop is held while a large state is written down and turns go on. */
async function largeState(directory: string): Promise<BenchResult[]> {
  await using store = await openSqliteLedgerStore({ path: join(directory, "large") });
  const shard = open(store, NEVER);
  await shard.turns(LARGE_STATE_KEYS, LARGE_STATE_KEYS, 1_000);
  const holds = { wall: 0, cpu: 0 };
  let last = { wall: performance.now(), cpu: cpuMs() };
  let watching = true;
  const watch = (): void => {
    const now = { wall: performance.now(), cpu: cpuMs() };
    holds.wall = Math.max(holds.wall, now.wall - last.wall);
    holds.cpu = Math.max(holds.cpu, now.cpu - last.cpu);
    last = now;
    if (watching) setImmediate(watch);
  };
  watch();
  const startedAt = performance.now();
  await shard.snapshots.take();
  const first = performance.now() - startedAt;
  watching = false;
  await shard.turns(100, LARGE_STATE_KEYS, 1_000);
  const before = shard.counters.get("snapshot.bytesPut");
  const secondAt = performance.now();
  await shard.snapshots.take();
  const second = performance.now() - secondAt;
  const size = (before / 2 ** 20).toFixed(0);
  return [
    { metric: `first snapshot of a state of ${size} MiB`, value: first, unit: "ms" },
    {
      metric: "longest hold of the event loop meanwhile, in CPU time of its thread",
      value: holds.cpu,
      unit: "ms",
      target: atMost(holds.cpu, 20, "ms"),
    },
    {
      metric: "longest hold of the event loop meanwhile, waiting for the disk and other programs included",
      value: holds.wall,
      unit: "ms",
    },
    { metric: "the next one, 100 keys later", value: second, unit: "ms" },
  ];
}

/** The most a boot may find: a crash just before the next snapshot of a large state is due. */
async function longestTail(directory: string): Promise<BenchResult[]> {
  await using store = await openSqliteLedgerStore({ path: join(directory, "tail") });
  const shard = open(store, NEVER);
  await shard.turns(TAIL_STATE_KEYS, TAIL_STATE_KEYS, 1_000);
  await shard.snapshots.take();
  const held = shard.counters.get("snapshot.bytesPut");
  const alone = await recoveryMs(store, shard.state.seq);
  const { bytes } = shard.log;
  while (shard.log.bytes - bytes < SNAPSHOT_POLICY.minShare * held)
    await shard.turns(BATCH, TAIL_STATE_KEYS, 1_000);
  const value = median(await times(3, () => recoveryMs(store, shard.state.seq)));
  const megabytes = (read: number): string => `${(read / 2 ** 20).toFixed(0)} MiB`;
  return [
    {
      metric: `recovery just before a snapshot is due: a state of ${megabytes(held)}, records of ${megabytes(shard.log.bytes - bytes)} behind it`,
      value,
      unit: "ms",
      peer: { name: "the state alone", value: alone },
    },
  ];
}

/** Of this thread: what other programs on the machine take does not count. */
function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}

async function recoveryMs(store: Store, expected: number): Promise<number> {
  const startedAt = performance.now();
  const { state } = await recoverShard(store, SHARD, digest);
  const ms = performance.now() - startedAt;
  if (state.seq !== expected && state.seq !== expected + 1)
    throw new Error(`recovered ${state.seq} of ${expected} records`);
  return ms;
}

async function times(count: number, run: () => Promise<number>): Promise<number[]> {
  const values: number[] = [];
  for (let round = 0; round < count; round++) values.push(await run());
  return values;
}
