import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, test } from "node:test";
import { openSqliteLedgerStore } from "@vnes/driver-sqlite";
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
