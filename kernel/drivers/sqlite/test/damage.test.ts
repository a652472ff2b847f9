import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdtemp, open, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { openClosedLedger, openSqliteLedgerStore } from "@vnes/driver-sqlite";
import { isVnesError, type VnesError } from "@vnes/schemas";
import { record } from "../../../contracts/ledger-store.ts";

let directory = "";
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "vnes-damage-"));
});
after(() => rm(directory, { recursive: true }));

async function failure(promise: Promise<unknown>): Promise<VnesError> {
  const error = await promise.then(
    () => undefined,
    (caught: unknown) => caught,
  );
  assert.ok(isVnesError(error), String(error));
  return error;
}

/** A closed ledger with a hundred records of one shard. */
async function filled(name: string): Promise<string> {
  const path = join(directory, name);
  await using store = await openSqliteLedgerStore({ path });
  for (let seq = 0; seq < 100; seq++)
    await store.append("a/0", seq, [record(`record number ${seq + 1} `.repeat(40))]);
  return path;
}

/** The same in few rows: the records were appended in one round. */
async function filledInRuns(name: string): Promise<string> {
  const path = join(directory, name);
  await using store = await openSqliteLedgerStore({ path });
  const appends = Array.from({ length: 100 }, (_, seq) =>
    store.append("a/0", seq, [record(`record number ${seq + 1} `.repeat(40))]),
  );
  await Promise.all(appends);
  return path;
}

/** The files of a ledger whose process never closed it, as `kill -9` leaves them: the records are in the log only. */
async function killed(name: string): Promise<string> {
  const path = join(directory, name);
  const live = join(directory, `${name}.live`);
  await using store = await openSqliteLedgerStore({ path: live });
  for (let seq = 0; seq < 50; seq++) await store.append("a/0", seq, [record(`record ${seq + 1}`)]);
  await copyFile(live, path);
  await copyFile(`${live}-wal`, `${path}-wal`);
  return path;
}

async function flip(path: string, at: number): Promise<void> {
  await using file = await open(path, "r+");
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, at);
  byte[0] = (byte[0] ?? 0) ^ 0x10;
  await file.write(byte, 0, 1, at);
}

async function readAll(path: string): Promise<number> {
  await using store = await openSqliteLedgerStore({ path });
  return (await store.read("a/0", 1, 1_000)).length;
}

test("a file that is no database is refused at opening", async () => {
  const path = join(directory, "text.db");
  await writeFile(path, "this is a text, and a long one. ".repeat(300));
  const error = await failure(openSqliteLedgerStore({ path }));
  assert.equal(error.code, "LEDGER_FILE_CORRUPT");
  assert.match(error.message, /text\.db/);
});

test("a database of another program, or of a later version, is refused and left alone", async () => {
  const path = join(directory, "other.db");
  const other = new DatabaseSync(path);
  other.exec("CREATE TABLE theirs (a)");
  other.close();
  assert.equal((await failure(openSqliteLedgerStore({ path }))).code, "LEDGER_FORMAT_UNKNOWN");
  const later = await filled("later.db");
  const db = new DatabaseSync(later);
  db.exec("PRAGMA user_version = 99");
  db.close();
  assert.equal((await failure(openSqliteLedgerStore({ path: later }))).code, "LEDGER_FORMAT_UNKNOWN");
});

test("one changed byte of a record is found when it is read, by shard and seq", async () => {
  const path = await filled("byte.db");
  const bytes = await readFile(path);
  await flip(path, bytes.indexOf("record number 42 ") + 100);
  const error = await failure(readAll(path));
  assert.equal(error.code, "LEDGER_FILE_CORRUPT");
  assert.match(error.message, /at record 42 of shard a\/0/);
});

test("one changed byte of a run of records is found when any of them is read, with the records it holds", async () => {
  const path = await filledInRuns("run.db");
  const db = new DatabaseSync(path);
  const rows = db.prepare("SELECT seq, bytes FROM record").all() as { seq: number; bytes: Uint8Array }[];
  db.close();
  assert.deepEqual(
    rows.map(({ seq }) => seq),
    [100],
  );
  const kept = Buffer.from(rows[0]?.bytes ?? []);
  assert.ok(kept.length < 4_096, `${kept.length} bytes: it was not compressed`);
  await flip(path, (await readFile(path)).indexOf(kept.subarray(0, 64)) + 40);
  await using store = await openSqliteLedgerStore({ path });
  for (const [from, limit] of [
    [1, 1_000],
    [42, 1],
  ] as const) {
    const error = await failure(store.read("a/0", from, limit));
    assert.equal(error.code, "LEDGER_FILE_CORRUPT");
    const said = `at record ${from} of shard a/0: the bytes of records 1 to 100, which are kept as one, changed`;
    assert.ok(error.message.includes(said), error.message);
  }
});

test("a row that is given more or fewer records, or another place, is refused", async () => {
  for (const [name, sql] of [
    ["fewer", "UPDATE record SET hash = substr(hash, 1, length(hash) - 32)"],
    ["one", "UPDATE record SET hash = substr(hash, 1, 32)"],
    ["uneven", "UPDATE record SET hash = substr(hash, 1, length(hash) - 1)"],
    ["more", "UPDATE record SET hash = CAST(hash || zeroblob(32) AS BLOB)"],
    ["moved", "UPDATE record SET seq = seq + 1"],
    ["other", "UPDATE record SET bytes = CAST('text' AS BLOB)"],
  ] as const) {
    const path = await filledInRuns(`row-${name}.db`);
    const db = new DatabaseSync(path);
    db.exec(sql);
    db.close();
    const error = await failure(readAll(path));
    assert.equal(error.code, "LEDGER_FILE_CORRUPT", name);
    assert.match(error.message, /at record 1 of shard a\/0/, name);
  }
});

test("a shard trimmed into a run is whole, and one whose run went with it is not", async () => {
  const path = await filledInRuns("within.db");
  {
    await using store = await openSqliteLedgerStore({ path });
    await store.append("a/0", 100, [{ ...record("snapshot"), snapshot: true }]);
    assert.deepEqual(await store.trim("a/0", 60, new Set()), { records: 59, chunks: 0 });
    assert.equal((await store.read("a/0", 1, 1_000)).length, 42);
  }
  assert.equal(await readAll(path), 42);
  {
    await using ledger = await openClosedLedger(path);
    assert.deepEqual(ledger.problems, []);
  }
  const db = new DatabaseSync(path);
  db.exec("DELETE FROM record WHERE seq = 100");
  db.close();
  assert.match((await failure(readAll(path))).message, /at record 60 of shard a\/0: the record is missing/);
  await using ledger = await openClosedLedger(path);
  assert.deepEqual(ledger.problems, ["shard a/0 begins at record 101, not at 60"]);
});

test("a record that was removed is found when it is read", async () => {
  for (const [name, seq] of [
    ["gap", 7],
    ["first", 1],
  ] as const) {
    const path = await filled(`${name}.db`);
    const db = new DatabaseSync(path);
    db.exec(`DELETE FROM record WHERE seq = ${seq}`);
    db.close();
    const error = await failure(readAll(path));
    assert.equal(error.code, "LEDGER_FILE_CORRUPT");
    assert.match(error.message, new RegExp(`record ${seq} of shard a/0`));
    await using store = await openSqliteLedgerStore({ path });
    assert.match((await failure(store.read("a/0", seq, 1))).message, /the record is missing/);
  }
});

test("a file cut short is refused at opening", async () => {
  const path = await filled("short.db");
  const { size } = await stat(path);
  await truncate(path, size - 8192);
  assert.equal((await failure(openSqliteLedgerStore({ path }))).code, "LEDGER_FILE_CORRUPT");
});

test("a log without its file is refused instead of deleted", async () => {
  const path = await killed("gone.db");
  await rm(path);
  assert.equal((await failure(openSqliteLedgerStore({ path }))).code, "LEDGER_FILE_CORRUPT");
  assert.ok((await stat(`${path}-wal`)).size > 0);
});

test("what a killed process left in the log is all there", async () => {
  assert.equal(await readAll(await killed("whole.db")), 50);
});

test("a flipped byte anywhere in the log but its last commit is refused, instead of losing what follows", async () => {
  const frameBytes = 24 + 4096;
  for (const [name, frame, offset] of [
    ["page", 30, 500],
    ["salt", 30, 9],
    ["sum", 30, 20],
    ["second", 2, 100],
  ] as const) {
    const path = await killed(`wal-${name}.db`);
    await flip(`${path}-wal`, 32 + (frame - 1) * frameBytes + offset);
    const error = await failure(openSqliteLedgerStore({ path }));
    assert.equal(error.code, "LEDGER_FILE_CORRUPT", name);
    assert.match(error.message, new RegExp(`frame ${frame} is damaged`));
  }
  const path = await killed("wal-header.db");
  await flip(`${path}-wal`, 17);
  assert.match((await failure(openSqliteLedgerStore({ path }))).message, /frame 0 is damaged/);
});

test("a log torn in its last commit loses that commit only", async () => {
  const path = await killed("torn.db");
  const { size } = await stat(`${path}-wal`);
  await truncate(`${path}-wal`, size - 100);
  assert.equal(await readAll(path), 49);
});

test("a second process is refused at once and told who has it; after kill -9 the ledger opens again", async () => {
  const path = join(directory, "in-use.db");
  const holder = spawn(
    process.execPath,
    ["--conditions=source", fileURLToPath(new URL("holder.ts", import.meta.url)), path],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  await once(holder.stdout, "data");
  const startedAt = performance.now();
  const error = await failure(openSqliteLedgerStore({ path }));
  assert.equal(error.code, "LEDGER_IN_USE");
  assert.equal(error.details["pid"], holder.pid);
  assert.ok(error.message.includes(path));
  assert.ok(performance.now() - startedAt < 1_000);
  holder.kill("SIGKILL");
  await once(holder, "exit");
  assert.equal(await readAll(path), 1);
});

test("a directory that is not there is an error of the disk, with the path", async () => {
  const path = join(directory, "nowhere", "ledger.db");
  const error = await failure(openSqliteLedgerStore({ path }));
  assert.equal(error.code, "LEDGER_IO_FAILED");
  assert.ok(error.message.includes(path));
});

test("a damaged table or index of shards, or a header no SQLite writes, is refused at opening", async () => {
  const damages: readonly (readonly [name: string, damage: (bytes: Buffer) => void])[] = [
    ["header", (bytes) => bytes.fill(0xff, 44, 52)],
    // The root page of table `shard` is page 2, of its index page 3, as the schema is created: both in pages of 4096.
    ["index", (bytes) => bytes.fill(0xff, 8192 + 8, 8192 + 46)],
    ["hidden row", (bytes) => bytes.writeUInt16BE(bytes.readUInt16BE(4096 + 3) - 1, 4096 + 3)],
  ];
  for (const [name, damage] of damages) {
    const path = await filled(`shards-${name}`);
    const bytes = await readFile(path);
    damage(bytes);
    await writeFile(path, bytes);
    assert.equal((await failure(openSqliteLedgerStore({ path }))).code, "LEDGER_FILE_CORRUPT", name);
  }
});

test("a trimmed ledger tells what was trimmed from what is missing", async () => {
  for (const [name, sql] of [
    ["oldest", "DELETE FROM record WHERE seq = 60"],
    ["snapshot", "DELETE FROM record WHERE seq >= 90"],
    ["all", "DELETE FROM record"],
  ] as const) {
    const path = await filled(`trimmed-${name}`);
    {
      await using store = await openSqliteLedgerStore({ path });
      await store.append("a/0", 100, [{ ...record("snapshot"), snapshot: true }]);
      await store.trim("a/0", 60, new Set());
      assert.equal((await store.read("a/0", 1, 1_000)).length, 42);
    }
    const db = new DatabaseSync(path);
    db.exec(sql);
    db.close();
    const error = await failure(readAll(path));
    assert.equal(error.code, "LEDGER_FILE_CORRUPT", name);
    assert.match(error.message, /at record (60|101) of shard a\/0/);
  }
});

test("one changed byte of a chunk is found when it is read, by its name", async () => {
  const path = await filled("chunk.db");
  {
    await using store = await openSqliteLedgerStore({ path });
    await store.putChunk("a/0", "c42", new TextEncoder().encode("the bytes of chunk 42"));
  }
  const bytes = await readFile(path);
  await flip(path, bytes.indexOf("the bytes of chunk 42") + 3);
  await using store = await openSqliteLedgerStore({ path });
  const error = await failure(store.readChunk("a/0", "c42"));
  assert.equal(error.code, "LEDGER_FILE_CORRUPT");
  assert.match(error.message, /chunk c42 of shard a\/0/);
});

test("one bit of the index of records that hides a shard's newest records is refused at opening", async () => {
  for (const [name, offset, was, is, seq] of [
    ["shard", 2, 0x09, 0x01, 100], // how the shard's number is kept: the constant 1 becomes a byte, which is 100
    ["seq", 5, 100, 36, 37],
  ] as const) {
    const path = await filled(`index-${name}.db`);
    const bytes = await readFile(path);
    // The root page of the index is page 5, as the schema is created; its last cell is that of record 100.
    const page = 4 * 4096;
    const cell = page + bytes.readUInt16BE(page + 8 + 2 * 99);
    assert.equal(bytes[cell + offset], was);
    bytes.writeUInt8(is, cell + offset);
    await writeFile(path, bytes);
    for (const opened of [() => openSqliteLedgerStore({ path }), () => openClosedLedger(path)]) {
      const error = await failure(opened());
      assert.equal(error.code, "LEDGER_FILE_CORRUPT", name);
      assert.match(error.message, new RegExp(`at record ${seq} of shard a/0`));
    }
  }
});

test("records that are kept and said to be trimmed are found at opening", async () => {
  for (const first of [0, 30]) {
    const path = await filled(`kept-${first}.db`);
    {
      await using store = await openSqliteLedgerStore({ path });
      await store.append("a/0", 100, [{ ...record("snapshot"), snapshot: true }]);
    }
    const db = new DatabaseSync(path);
    db.exec(`UPDATE shard SET first = ${first}`);
    db.close();
    for (const opened of [() => openSqliteLedgerStore({ path }), () => openClosedLedger(path)]) {
      const error = await failure(opened());
      assert.equal(error.code, "LEDGER_FILE_CORRUPT");
      assert.match(
        error.message,
        new RegExp(`at record 1 of shard a/0: the records are said to begin at ${first}$`),
      );
    }
  }
});

test("a first record behind which no snapshot stands is refused by the store and by who looks at the file", async () => {
  for (const [name, sql] of [
    ["moved", "UPDATE shard SET first = 5"],
    ["taken", "DELETE FROM record WHERE seq < 5; UPDATE shard SET first = 5"],
  ] as const) {
    const path = await filled(`first-${name}`);
    const db = new DatabaseSync(path);
    db.exec(sql);
    db.close();
    for (const opened of [() => openSqliteLedgerStore({ path }), () => openClosedLedger(path)]) {
      const error = await failure(opened());
      assert.equal(error.code, "LEDGER_FILE_CORRUPT", name);
      assert.match(error.message, /at record 5 of shard a\/0: .*no snapshot/);
    }
  }
});
