import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, test } from "node:test";
import { openClosedLedger, openSqliteLedgerStore } from "@vnes/driver-sqlite";
import { record } from "../../../contracts/ledger-store.ts";

let directory = "";
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "vnes-upgrade-"));
});
after(() => rm(directory, { recursive: true }));

/** A file as version 1 wrote it: no chunks, and nothing known of a shard but its name. */
function versionOne(path: string): void {
  const db = new DatabaseSync(path);
  db.exec("PRAGMA journal_mode = WAL; PRAGMA application_id = 0x564e4553; PRAGMA user_version = 1");
  db.exec(`CREATE TABLE shard (no INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
    CREATE TABLE record (
      id INTEGER PRIMARY KEY, shard INTEGER NOT NULL, seq INTEGER NOT NULL,
      hash BLOB NOT NULL, crc INTEGER NOT NULL, bytes BLOB NOT NULL, UNIQUE (shard, seq)
    ) STRICT`);
  db.exec("INSERT INTO shard (name) VALUES ('a/0')");
  const insert = db.prepare("INSERT INTO record (shard, seq, hash, crc, bytes) VALUES (1, ?, ?, ?, ?)");
  for (let seq = 1; seq <= 20; seq++) {
    const { bytes, hash } = record(`record ${seq}`);
    insert.run(seq, hash, crc32(bytes, crc32(hash, crc32(`a/0\0${seq}\0`))), bytes);
  }
  db.close();
}

test("a ledger of version 1 opens with all of its records and takes snapshots, trims and reopenings", async () => {
  const path = join(directory, "one.db");
  versionOne(path);
  {
    await using store = await openSqliteLedgerStore({ path });
    assert.equal((await store.read("a/0", 1, 100)).length, 20);
    assert.equal(await store.firstSeq("a/0"), 1);
    assert.equal(await store.lastSnapshot("a/0"), 0);
    await store.putChunk("a/0", "c", Uint8Array.of(1));
    await store.append("a/0", 20, [{ ...record("snapshot"), snapshot: true }]);
    await store.trim("a/0", 15, new Set(["c"]));
  }
  await using store = await openSqliteLedgerStore({ path });
  assert.equal(await store.firstSeq("a/0"), 15);
  assert.equal(await store.lastSnapshot("a/0"), 21);
  assert.deepEqual(await store.readChunk("a/0", "c"), Uint8Array.of(1));
});

/** A file as version 2 wrote it: every record in a row of its own. */
function versionTwo(path: string): void {
  versionOne(path);
  const db = new DatabaseSync(path);
  db.exec(`ALTER TABLE shard ADD COLUMN first INTEGER NOT NULL DEFAULT 1;
    ALTER TABLE shard ADD COLUMN snapshot INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE chunk (
      id INTEGER PRIMARY KEY, shard TEXT NOT NULL, name TEXT NOT NULL,
      crc INTEGER NOT NULL, bytes BLOB NOT NULL, UNIQUE (shard, name)
    ) STRICT;
    PRAGMA user_version = 2`);
  db.close();
}

test("a ledger of version 2 keeps its rows, takes runs of records behind them, and is then of version 5", async () => {
  const path = join(directory, "two.db");
  versionTwo(path);
  {
    await using store = await openSqliteLedgerStore({ path });
    const appends = Array.from({ length: 30 }, (_, index) =>
      store.append("a/0", 20 + index, [record(`record ${21 + index}`)]),
    );
    await Promise.all(appends);
  }
  const db = new DatabaseSync(path);
  const rows = db.prepare("SELECT count(*) AS count, max(seq) AS last FROM record").get();
  const version = db.prepare("PRAGMA user_version").get();
  db.close();
  assert.deepEqual({ ...rows }, { count: 21, last: 50 });
  assert.deepEqual({ ...version }, { user_version: 5 });
  await using store = await openSqliteLedgerStore({ path });
  const read = await store.read("a/0", 18, 10);
  assert.deepEqual(
    read.map(({ seq, bytes, hash }) => ({ seq, bytes: Buffer.from(bytes), hash: Buffer.from(hash) })),
    Array.from({ length: 10 }, (_, index) => {
      const { bytes, hash } = record(`record ${18 + index}`);
      return { seq: 18 + index, bytes: Buffer.from(bytes), hash };
    }),
  );
});

test("a ledger of version 2 is looked at as it is, and stays what it was", async () => {
  const path = join(directory, "looked-at.db");
  versionTwo(path);
  const before = await readFile(path);
  {
    await using ledger = await openClosedLedger(path);
    assert.deepEqual(ledger.problems, []);
    assert.equal((await ledger.store.read("a/0", 1, 100)).length, 20);
  }
  assert.ok((await readFile(path)).equals(before));
});

const OLD_CHUNK = new TextEncoder().encode('["key",1],'.repeat(5_000));

/** A file as versions 3 and 4 wrote it: chunks as they are, with nothing said of how they lie there. */
function versionFour(path: string): void {
  versionTwo(path);
  const db = new DatabaseSync(path);
  const crc = crc32(OLD_CHUNK, crc32("a/0\0old\0"));
  db.prepare("INSERT INTO chunk (shard, name, crc, bytes) VALUES ('a/0', 'old', ?, ?)").run(crc, OLD_CHUNK);
  db.exec("PRAGMA user_version = 4");
  db.close();
}

test("a ledger of version 4 keeps its chunks as they are, and packs those that are put from then on", async () => {
  const path = join(directory, "four.db");
  versionFour(path);
  {
    await using store = await openSqliteLedgerStore({ path });
    await store.putChunk("a/0", "new", OLD_CHUNK);
  }
  {
    await using store = await openSqliteLedgerStore({ path });
    for (const name of ["old", "new"])
      assert.deepEqual(Buffer.from((await store.readChunk("a/0", name)) ?? []), Buffer.from(OLD_CHUNK));
  }
  const db = new DatabaseSync(path);
  const rows = db.prepare("SELECT name, length(bytes) < 1000 AS small, plain FROM chunk ORDER BY name").all();
  db.close();
  assert.deepEqual(
    rows.map((row) => ({ ...row })),
    [
      { name: "new", small: 1, plain: OLD_CHUNK.length },
      { name: "old", small: 0, plain: 0 },
    ],
  );
});

test("a ledger of version 4 is looked at as it is, chunks and all, and stays what it was", async () => {
  const path = join(directory, "four-looked-at.db");
  versionFour(path);
  const before = await readFile(path);
  {
    await using ledger = await openClosedLedger(path);
    assert.deepEqual(ledger.problems, []);
    assert.equal((await ledger.store.readChunk("a/0", "old"))?.length, OLD_CHUNK.length);
  }
  assert.ok((await readFile(path)).equals(before));
});
