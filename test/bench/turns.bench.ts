/** Durable turns: the whole loop (deliver, turn, check, commit, release) on sqlite, with the capsule in this process. */
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writevSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { bootBenchNode, callInFlight } from "./bench-node.ts";
import { counter } from "./counter-capsule.ts";
import { atLeast, type BenchResult, median } from "./result.ts";

const IN_FLIGHT = [1, 64, 256] as const;
/** Before the figures count: a node that has just started is still being compiled for some seconds. */
const WARM_UP_MS = 4_000;
const ROUND_MS = 500;
/** Turns and peers take turns, so that a noisy moment does not hit one of them only. */
const ROUNDS = 5;
/** Of what SQLite gives when it is handed the same rows ready-made. */
const TARGET_SHARE = 0.5;

export const name = "turns";

export const notMeasured: readonly string[] = [
  "the sandbox: the capsule runs in the kernel's process (see the bench of isolates)",
  "more than one shard: all turns are of one capsule",
  "validation of large inputs: an input is 40 bytes, a record about 450",
  "records that do not repeat each other: those of one capsule, as here, are compressed to a twentieth",
];

export async function run(): Promise<readonly BenchResult[]> {
  const directory = mkdtempSync(join(tmpdir(), "vnes-bench-turns-"));
  try {
    const results: BenchResult[] = [];
    for (const inFlight of IN_FLIGHT) results.push(...(await measure(directory, inFlight)));
    return results;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function measure(directory: string, inFlight: number): Promise<BenchResult[]> {
  const path = (what: string): string => join(directory, `${what}-${inFlight}`);
  const { node, ledger } = await bootBenchNode(path("node"), [counter]);
  await turnsPerSecond(node, inFlight, WARM_UP_MS);
  const [record] = await ledger.read("test.counter/0", await ledger.lastSeq("test.counter/0"), 1);
  const recordBytes = record?.bytes.length ?? 0;
  const file = openSync(path("file"), "a");
  const database = openDatabase(path("sqlite"));
  const ours: number[] = [];
  const raw: number[] = [];
  const sqlite: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    ours.push(await turnsPerSecond(node, inFlight, ROUND_MS));
    raw.push(rawAppends(file, inFlight, recordBytes));
    sqlite.push(database.rowsPerSecond(inFlight, recordBytes));
  }
  await node[Symbol.asyncDispose]();
  closeSync(file);
  database.close();
  const value = median(ours);
  const limit = median(sqlite);
  const unit = "turns/s";
  const metric = `durable turns, ${inFlight} in flight`;
  const target = atLeast(value, TARGET_SHARE * limit, unit);
  const peer = { name: "node:sqlite, the same rows in the same groups", value: limit };
  return [
    { metric, value, unit, peer: { name: `append + fdatasync of ${recordBytes} B`, value: median(raw) } },
    { metric, value, unit, peer, target },
  ];
}

async function turnsPerSecond(
  node: Parameters<typeof callInFlight>[0],
  inFlight: number,
  ms: number,
): Promise<number> {
  const start = performance.now();
  const input = (caller: number) => ({ key: `k${caller}` });
  const isOver = (): boolean => performance.now() - start >= ms;
  const answers = await callInFlight(node, inFlight, ["test.counter", "add"], input, isOver);
  return (answers * 1_000) / (performance.now() - start);
}

function rawAppends(file: number, group: number, size: number): number {
  const rows = Array.from({ length: group }, () => Buffer.alloc(size, 1));
  return perSecond(group, () => {
    writevSync(file, rows);
    fdatasyncSync(file);
  });
}

/**
 * The store's own table, index and settings, a row for each record and nothing to compute: hash, checksum and bytes are at
 * hand. The store itself puts several records in a row, which this does not: it is the measure, not a copy of the store.
 */
function openDatabase(path: string): {
  rowsPerSecond(group: number, size: number): number;
  close(): void;
} {
  const database = new DatabaseSync(path);
  database.exec(
    "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 500",
  );
  database.exec(
    `CREATE TABLE record (
      id INTEGER PRIMARY KEY, shard INTEGER NOT NULL, seq INTEGER NOT NULL,
      hash BLOB NOT NULL, crc INTEGER NOT NULL, bytes BLOB NOT NULL, UNIQUE (shard, seq)
    ) STRICT`,
  );
  const begin = database.prepare("BEGIN IMMEDIATE");
  const commit = database.prepare("COMMIT");
  const insert = database.prepare("INSERT INTO record (shard, seq, hash, crc, bytes) VALUES (?, ?, ?, ?, ?)");
  const hash = Buffer.alloc(32, 2);
  let seq = 0;
  return {
    rowsPerSecond(group, size) {
      const bytes = Buffer.alloc(size, 1);
      return perSecond(group, () => {
        begin.run();
        for (let row = 0; row < group; row++) insert.run(1, ++seq, hash, 0xcafe_babe, bytes);
        commit.run();
      });
    },
    close: () => database.close(),
  };
}

function perSecond(each: number, work: () => void): number {
  const start = performance.now();
  let done = 0;
  while (performance.now() - start < ROUND_MS / 2) {
    work();
    done += each;
  }
  return (done * 1_000) / (performance.now() - start);
}
