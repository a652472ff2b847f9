/** Durable appends through the ledger store, beside what the disk and SQLite give without it. */
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writevSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { createHash, randomBytes } from "node:crypto";
import { openSqliteLedgerStore } from "@vnes/driver-sqlite";
import { MemoryClock } from "@vnes/driver-memory";
import { nodeDigest } from "@vnes/registry";
import type { TurnRecord } from "../../kernel/src/ledger/record.ts";
import { recoverShard } from "../../kernel/src/runtime/boot/recovery.ts";
import { ShardLog } from "../../kernel/src/runtime/ledger/shard-log.ts";
import { atLeast, type BenchResult, median } from "./result.ts";

/** About what a small turn makes. */
const RECORD_BYTES = 512;
const SHARDS = 16;
const IN_FLIGHT = [1, 64, 256] as const;
const ROUND_MS = 350;
/** The three ways take turns, so that a noisy moment does not hit one of them only. */
const ROUNDS = 3;
/** A shard of a million records is back within ten seconds even without a snapshot. */
const FOLD_TARGET = 100_000;

const bytes = randomBytes(RECORD_BYTES);
const hash = createHash("sha256").update(bytes).digest();

export const name = "ledger";

export const notMeasured: readonly string[] = [
  "the turn itself: encoding, hashing and the sandbox (see the bench of turns)",
  "a disk that lies about its cache; recovery; a ledger larger than memory",
  "what else the event loop could have done: the commit runs on the thread that measures",
];

export async function run(): Promise<readonly BenchResult[]> {
  const directory = mkdtempSync(join(tmpdir(), "vnes-bench-ledger-"));
  try {
    const results: BenchResult[] = [];
    for (const inFlight of IN_FLIGHT) results.push(...(await measure(directory, inFlight)));
    results.push(await reading(directory), await folding(directory));
    return results;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function measure(directory: string, inFlight: number): Promise<BenchResult[]> {
  const ours: number[] = [];
  const raw: number[] = [];
  const sqlite: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    ours.push(await appendsPerSecond(join(directory, `store-${inFlight}-${round}`), inFlight));
    raw.push(rawAppends(join(directory, `raw-${inFlight}-${round}`), inFlight));
    sqlite.push(rawSqlite(join(directory, `sqlite-${inFlight}-${round}`), inFlight));
  }
  const value = median(ours);
  const metric = `durable appends of ${RECORD_BYTES} B, ${inFlight} in flight`;
  return [
    { metric, value, unit: "appends/s", peer: { name: "append + fdatasync", value: median(raw) } },
    { metric, value, unit: "appends/s", peer: { name: "node:sqlite, same groups", value: median(sqlite) } },
  ];
}

/** Each of `inFlight` writers appends again as soon as it was answered. */
async function appendsPerSecond(path: string, inFlight: number): Promise<number> {
  await using store = await openSqliteLedgerStore({ path });
  const seqs = Array.from({ length: SHARDS }, () => 0);
  const deadline = performance.now() + ROUND_MS;
  const startedAt = performance.now();
  let appends = 0;
  const writer = async (index: number): Promise<void> => {
    const shard = index % SHARDS;
    while (performance.now() < deadline) {
      const expected = seqs[shard] ?? 0;
      seqs[shard] = expected + 1;
      await store.append(`bench/${shard}`, expected, [{ bytes, hash }]);
      appends++;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, (_, index) => writer(index)));
  return appends / ((performance.now() - startedAt) / 1000);
}

function rawAppends(path: string, group: number): number {
  const fd = openSync(path, "a");
  const record = Buffer.concat([hash, bytes]);
  const records = Array.from({ length: group }, () => record);
  try {
    return ratePerSecond(group, () => {
      writevSync(fd, records);
      fdatasyncSync(fd);
    });
  } finally {
    closeSync(fd);
  }
}

function rawSqlite(path: string, group: number): number {
  const db = new DatabaseSync(path);
  try {
    db.exec(
      "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000",
    );
    db.exec("CREATE TABLE log (id INTEGER PRIMARY KEY, shard INTEGER, hash BLOB, bytes BLOB)");
    const begin = db.prepare("BEGIN");
    const insert = db.prepare("INSERT INTO log (shard, hash, bytes) VALUES (?, ?, ?)");
    const commit = db.prepare("COMMIT");
    return ratePerSecond(group, () => {
      begin.run();
      for (let index = 0; index < group; index++) insert.run(index % SHARDS, hash, bytes);
      commit.run();
    });
  } finally {
    db.close();
  }
}

function ratePerSecond(each: number, work: () => void): number {
  const startedAt = performance.now();
  let done = 0;
  while (performance.now() - startedAt < ROUND_MS) {
    work();
    done += each;
  }
  return done / ((performance.now() - startedAt) / 1000);
}

/** What recovery reads: pages of one shard, from first to last. */
async function reading(directory: string): Promise<BenchResult> {
  const records = 50_000;
  const page = 1_000;
  await using store = await openSqliteLedgerStore({ path: join(directory, "reading") });
  for (let seq = 0; seq < records; seq += page) {
    await store.append(
      "bench/0",
      seq,
      Array.from({ length: page }, () => ({ bytes, hash })),
    );
  }
  const startedAt = performance.now();
  let read = 0;
  for (let from = 1; from <= records; from += page) read += (await store.read("bench/0", from, page)).length;
  const seconds = (performance.now() - startedAt) / 1000;
  if (read !== records) throw new Error(`read ${read} of ${records} records`);
  return {
    metric: `records of ${RECORD_BYTES} B read back in pages of ${page}`,
    value: read / seconds,
    unit: "records/s",
  };
}

/** Recovery without a snapshot: records of turns that answered a call and wrote one of a thousand keys. */
async function folding(directory: string): Promise<BenchResult> {
  const records = 100_000;
  const group = 1_000;
  const shard = "bench.fold/0";
  await using store = await openSqliteLedgerStore({ path: join(directory, "folding") });
  const parts = { shard, store, digest: nodeDigest, clock: new MemoryClock(), onStall: () => undefined };
  const log = new ShardLog(parts, undefined);
  for (let seq = 1; seq <= records; seq += group) {
    await log.append(Array.from({ length: group }, (_, index) => turnRecord(seq + index)));
  }
  const perSecond: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const startedAt = performance.now();
    const { state } = await recoverShard(store, shard, nodeDigest);
    perSecond.push((records * 1_000) / (performance.now() - startedAt));
    if (state.seq !== records || state.keys.size !== 1_000) throw new Error("not what was written");
  }
  const value = median(perSecond);
  return {
    metric: `records of a turn read, checked against the chain, decoded and folded`,
    value,
    unit: "records/s",
    target: atLeast(value, FOLD_TARGET, "records/s"),
  };
}

function turnRecord(seq: number): TurnRecord {
  const key = `k${seq % 1_000}`;
  const callId = `control/0123456789abcdef:${seq}:0`;
  const call = { kind: "call", callId, capability: "bench.fold", method: "add", input: { key } } as const;
  return {
    v: 1,
    kind: "turn",
    seq,
    at: 1_700_000_000_000 + seq,
    seed: "0123456789abcdef",
    input: {
      from: "control",
      depth: 0,
      delivery: { ...call, caller: "control", deadlineAt: 1_700_000_010_000 },
    },
    outcome: "ok",
    effects: [
      { do: "write", key: `n/${key}`, value: seq },
      { do: "answer", callId, answer: { ok: true, value: seq } },
    ],
    released: seq - 1,
  };
}
