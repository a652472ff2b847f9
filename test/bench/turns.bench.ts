/** Durable turns: the whole loop (deliver, turn, check, commit, release) on sqlite, with the capsule in this process. */
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writevSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { openSqliteLedgerStore } from "@vnes/driver-sqlite";
import { capsule } from "@vnes/sdk";
import { bootTestNode, manifestOf, type TestCapsule } from "../../kernel/test/node-harness.ts";
import { type BenchResult, median } from "./result.ts";

const IN_FLIGHT = [1, 64, 256] as const;
const ROUND_MS = 700;
const ROUNDS = 3;

export const name = "turns";

export const notMeasured: readonly string[] = [
  "the sandbox: the capsule runs in the kernel's process (see the bench of isolates)",
  "more than one shard: all turns are of one capsule",
  "validation of large inputs: an input is 40 bytes, a record about 500",
];

const counter: TestCapsule = {
  manifest: manifestOf("test.counter", {
    capabilities: { provides: ["test.counter"] },
    state: { owns: ["n/"] },
  }),
  spec: {
    "spec/schema.json": {
      $defs: {
        "test.counter.add.input": {
          type: "object",
          required: ["key"],
          additionalProperties: false,
          properties: { key: { type: "string", maxLength: 64 } },
        },
      },
    },
  },
  bundle: () =>
    capsule({
      calls: {
        "test.counter.add": (turn, input) => {
          const key = `n/${(input as { key: string }).key}`;
          const count = ((turn.keys.get(key) as number | undefined) ?? 0) + 1;
          turn.keys.set(key, count);
          return count;
        },
      },
    }),
};

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
  const ours: number[] = [];
  const raw: number[] = [];
  const sqlite: number[] = [];
  let recordBytes = 512;
  for (let round = 0; round < ROUNDS; round++) {
    const path = join(directory, `turns-${inFlight}-${round}.sqlite`);
    const { perSecond, bytes } = await turnsPerSecond(path, inFlight);
    ours.push(perSecond);
    recordBytes = bytes;
    raw.push(rawAppends(join(directory, `raw-${inFlight}-${round}`), inFlight, recordBytes));
    sqlite.push(rawSqlite(join(directory, `sqlite-${inFlight}-${round}.sqlite`), inFlight, recordBytes));
  }
  const value = median(ours);
  const metric = `durable turns, ${inFlight} in flight`;
  return [
    {
      metric,
      value,
      unit: "turns/s",
      peer: { name: `append + fdatasync of ${recordBytes} B`, value: median(raw) },
    },
    {
      metric,
      value,
      unit: "turns/s",
      peer: { name: "node:sqlite group commit, same rows", value: median(sqlite) },
    },
  ];
}

/** Each of `inFlight` callers asks again as soon as it was answered. */
async function turnsPerSecond(path: string, inFlight: number): Promise<{ perSecond: number; bytes: number }> {
  const ledger = await openSqliteLedgerStore({ path });
  const { node } = await bootTestNode({ capsules: [counter], parts: { ledger } });
  const stopAt = performance.now() + ROUND_MS;
  let done = 0;
  const caller = async (n: number): Promise<void> => {
    while (performance.now() < stopAt) {
      const answer = await node.call("test.counter", "add", { key: `k${n}` }, 10_000);
      if (!answer.ok) throw new Error(answer.code);
      done++;
    }
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: inFlight }, (_, n) => caller(n)));
  const perSecond = (done * 1_000) / (performance.now() - start);
  const [record] = await ledger.read("test.counter/0", 5, 1);
  await node[Symbol.asyncDispose]();
  return { perSecond, bytes: record?.bytes.length ?? 0 };
}

function rawAppends(path: string, group: number, size: number): number {
  const file = openSync(path, "a");
  const rows = Array.from({ length: group }, () => Buffer.alloc(size, 1));
  let done = 0;
  const start = performance.now();
  while (performance.now() - start < ROUND_MS / 2) {
    writevSync(file, rows);
    fdatasyncSync(file);
    done += group;
  }
  const perSecond = (done * 1_000) / (performance.now() - start);
  closeSync(file);
  return perSecond;
}

function rawSqlite(path: string, group: number, size: number): number {
  const database = new DatabaseSync(path);
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA locking_mode = EXCLUSIVE");
  database.exec(
    "CREATE TABLE r (shard TEXT, seq INTEGER, hash BLOB, bytes BLOB, PRIMARY KEY (shard, seq)) WITHOUT ROWID",
  );
  const insert = database.prepare("INSERT INTO r VALUES ('test.counter/0', ?, ?, ?)");
  const bytes = Buffer.alloc(size, 1);
  const hash = Buffer.alloc(32, 2);
  let done = 0;
  const start = performance.now();
  while (performance.now() - start < ROUND_MS / 2) {
    database.exec("BEGIN IMMEDIATE");
    for (let row = 0; row < group; row++) insert.run(++done, hash, bytes);
    database.exec("COMMIT");
  }
  const perSecond = (done * 1_000) / (performance.now() - start);
  database.close();
  return perSecond;
}
