/**
 * One flipped bit in a node's own ledger, and `vnes boot` on it: where a boot reads it, the boot is refused by name with the
 * place and a next command, and the files stay as they are; where it can go on without, it says so and serves what was there.
 */
import assert from "node:assert/strict";
import { cpSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { Control } from "../crash/control.ts";
import { counter, source } from "./counter.ts";
import { type Booted, Home } from "./vnes.ts";

const SHARD = "acme.counter/0";
const OF_SHARD = `shard = (SELECT no FROM shard WHERE name = '${SHARD}')`;
const FEW = 40;
/** Enough that the shard writes a snapshot at its end. */
const MANY = 300;
const PAGE_BYTES = 4_096;
const WAL_HEAD_BYTES = 32;
const WAL_FRAME_BYTES: number = 24 + PAGE_BYTES;

let home: Home;
let dataDir: string;
let ledger: string;
let flags: readonly string[];

/** What a node left: killed; ended before it had reason for a snapshot; ended with one. */
type Left = "killed" | "ended" | "snapshot";

before(async () => {
  home = new Home();
  const dir = await counter(home, "counter", source(1, false));
  const config = { schema_version: "v1", node: "local", capsules: { run: ["acme.counter"] } };
  writeFileSync(join(home.dir, "config.json"), JSON.stringify(config));
  flags = ["--config", join(home.dir, "config.json"), "--capsules", dir, "--unconfined-dev"];
  for (const [left, calls, signal] of [
    ["killed", FEW, "SIGKILL"],
    ["ended", 0, "SIGTERM"],
    ["snapshot", MANY, "SIGTERM"],
  ] as const) {
    const node = await home.boot(...flags);
    ({ dataDir } = node.ready);
    ledger = join(dataDir, "ledger.sqlite");
    await add(node, calls);
    await node.kill(signal);
    cpSync(dataDir, placeOf(left), { recursive: true });
  }
});
after(async () => {
  await home[Symbol.asyncDispose]();
});

function placeOf(left: Left): string {
  return join(home.dir, `left-${left}`);
}

/** The data directory as it was left, and nothing of what happened since. */
function layOut(left: Left): void {
  rmSync(dataDir, { recursive: true });
  cpSync(placeOf(left), dataDir, { recursive: true });
}

/** One bit. */
function flip(file: string, at: number, bit = 0): void {
  const bytes = readFileSync(file);
  bytes[at] = (bytes[at] as number) ^ (1 << bit);
  writeFileSync(file, bytes);
}

function valueOf(sql: string): unknown {
  const address = pathToFileURL(ledger);
  // No log is made beside it.
  address.search = "?immutable=1";
  const db = new DatabaseSync(address, { readOnly: true });
  const row = db.prepare(sql).get();
  db.close();
  return Object.values(row ?? {})[0];
}

/** One bit of a value in a row: pages that were split keep copies that nothing reads, so the one that is read is looked for. */
function flipValue(sql: string): void {
  const value = Buffer.from(valueOf(sql) as Uint8Array);
  const bytes = readFileSync(ledger);
  // A value that is long lies in several pages: its beginning is what is together.
  const start = value.subarray(0, 64);
  const offset = start.length >> 1;
  for (let at = bytes.indexOf(start); at >= 0; at = bytes.indexOf(start, at + 1)) {
    flip(ledger, at + offset);
    if (!value.equals(valueOf(sql) as Uint8Array)) return;
    flip(ledger, at + offset);
  }
  assert.fail("the value is nowhere in the file");
}

async function refusedBoot(problem: RegExp): Promise<void> {
  const files = [ledger, `${ledger}-wal`].filter((file) => existsSync(file));
  const before = files.map((file) => readFileSync(file));
  const { code, err } = await home.run("boot", ...flags);
  assert.equal(code, 5, err);
  assert.match(err, problem);
  assert.match(err, /next: .*vnes /);
  files.forEach((file, index) =>
    assert.ok(readFileSync(file).equals(before[index] as Buffer), `${file} is as it was`),
  );
}

test("a bit of a row that a boot reads", async () => {
  layOut("ended");
  flipValue(`SELECT bytes FROM record WHERE ${OF_SHARD} ORDER BY length(bytes) DESC LIMIT 1`);
  await refusedBoot(
    /LEDGER_FILE_CORRUPT .*ledger\.sqlite is damaged at record \d+ of shard acme\.counter\/0: .* changed/,
  );
});

test("a bit of the index of records that hides the newest of them", async () => {
  layOut("ended");
  const page = Number(valueOf("SELECT rootpage FROM sqlite_schema WHERE name = 'sqlite_autoindex_record_1'"));
  flip(ledger, lastSeqAt(readFileSync(ledger), (page - 1) * PAGE_BYTES));
  await refusedBoot(/LEDGER_FILE_CORRUPT .*ledger\.sqlite is damaged at record \d+ of shard .+: /);
});

test("a bit in the middle of the write-ahead log", async () => {
  layOut("killed");
  const wal = `${ledger}-wal`;
  const frame = Math.floor((statSync(wal).size - WAL_HEAD_BYTES) / WAL_FRAME_BYTES / 2);
  flip(wal, WAL_HEAD_BYTES + (frame - 1) * WAL_FRAME_BYTES + 500, 3);
  await refusedBoot(new RegExp(`LEDGER_FILE_CORRUPT .*frame ${frame} is damaged, and at least \\d+ commits`));
});

test("a bit of a chunk of a snapshot: the boot folds the records instead, says so, and the count is what it was", async () => {
  layOut("snapshot");
  flipValue(`SELECT bytes FROM chunk WHERE shard = '${SHARD}' ORDER BY length(bytes) DESC LIMIT 1`);
  const node = await home.boot(...flags);
  const { counters } = await home.json<{ counters: { readonly [name: string]: number } }>(
    "status",
    "--config",
    flags[1] as string,
  );
  assert.equal(counters["snapshot.passedOver"], 1);
  assert.deepEqual(await add(node, 1), [FEW + MANY + 1]);
  await node.kill("SIGTERM");
});

test("a bit of a row behind a snapshot, which no boot reads: who asks for it is refused, and so is a check of the file", async () => {
  layOut("snapshot");
  flipValue(`SELECT bytes FROM record WHERE ${OF_SHARD} ORDER BY seq LIMIT 1`);
  const node = await home.boot(...flags);
  assert.deepEqual(await add(node, 1), [FEW + MANY + 1]);
  const on = ["--config", flags[1] as string];
  for (const command of [
    ["state", "at", "acme.counter", "3"],
    ["replay", "acme.counter"],
  ]) {
    const { code, err } = await home.run(...command, ...on);
    assert.equal(code, 5, err);
    assert.match(err, /LEDGER_FILE_CORRUPT .* at record \d+ of shard acme\.counter\/0/);
  }
  await node.kill("SIGTERM");
  const { code, err } = await home.run("ledger", "verify", ledger);
  assert.equal(code, 5, err);
});

/** Where the seq in the last cell of a leaf of the index is: sqlite.org/fileformat2.html, index b-tree leaf cells. */
function lastSeqAt(bytes: Buffer, page: number): number {
  assert.equal(bytes[page], 0x0a, "a leaf");
  const cells = bytes.readUInt16BE(page + 3);
  const cell = page + bytes.readUInt16BE(page + 8 + 2 * (cells - 1));
  // Its size, the size of its head, and a type for each of shard, seq and id: a byte each, for what is so small.
  const [, headBytes, ofShard = 0, ofSeq = 0] = bytes.subarray(cell);
  assert.equal(headBytes, 4);
  return cell + 5 + sizeOf(ofShard) + sizeOf(ofSeq) - 1;
}

/** Of a whole number, by its type; 8 and 9 are the constants 0 and 1. */
function sizeOf(type: number): number {
  return type > 6 ? 0 : type;
}

async function add(node: Booted, calls: number): Promise<readonly unknown[]> {
  const control = await Control.connect(node.ready.controlSocket);
  assert.ok(control !== undefined);
  const asked = Array.from({ length: calls }, () => control.call("acme.counter", "add", {}, 10_000));
  const replies = await Promise.all(asked);
  control.close();
  return replies.map((reply) => (reply.ok ? reply.value : reply.code));
}
