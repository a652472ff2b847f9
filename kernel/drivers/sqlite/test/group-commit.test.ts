import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setImmediate as nextRound } from "node:timers/promises";
import type { NewRecord } from "@vnes/kernel";
import { isVnesError } from "@vnes/schemas";
import { record, refusedWith, texts } from "../../../contracts/ledger-store.ts";
import { openDatabase } from "../src/database.ts";
import { SqliteLedgerStore } from "../src/ledger-store.ts";
import type { LogSync } from "../src/log-sync.ts";

const directory = await mkdtemp(join(tmpdir(), "vnes-group-"));
after(() => rm(directory, { recursive: true }));

/** A disk that takes as long as the test says. */
class HeldSync implements LogSync {
  waited = 0;
  isClosed = false;
  #ended: ((problem: unknown) => void) | undefined;

  get isUnderWay(): boolean {
    return this.#ended !== undefined;
  }

  wait(): void {
    this.waited++;
  }

  begin(ended: (problem: unknown) => void): void {
    assert.equal(this.#ended, undefined, "one at a time");
    this.#ended = ended;
  }

  end(problem: unknown = null): void {
    const ended = this.#ended;
    this.#ended = undefined;
    ended?.(problem);
  }

  close(): void {
    this.isClosed = true;
  }
}

function opened(name: string): { readonly store: SqliteLedgerStore; readonly log: HeldSync } {
  const path = join(directory, name);
  const log = new HeldSync();
  return { store: new SqliteLedgerStore(path, openDatabase(path), log), log };
}

/** As many bytes as it takes for the sync to run beside the thread. */
function large(text: string): NewRecord {
  return record(text.padEnd(196_608));
}

async function trimmed(store: SqliteLedgerStore, shard: string): Promise<string[]> {
  return (await texts(store, shard)).map((text) => text.trim());
}

/** What has become of a promise by now. */
async function ended(promise: Promise<unknown>): Promise<string> {
  const now = await Promise.race([
    promise.then(
      () => "kept",
      (error: unknown) => (isVnesError(error) ? error.code : String(error)),
    ),
    nextRound("waits"),
  ]);
  return now;
}

test("while the disk has not what is written, nobody is told of it and nobody reads it (G1)", async () => {
  const { store, log } = opened("unread.db");
  await store.append("a/0", 0, [record("1")]);
  const appends = [store.append("a/0", 1, [large("2")]), store.append("b/0", 0, [record("x")])];
  await nextRound();
  assert.ok(log.isUnderWay);
  for (const append of appends) assert.equal(await ended(append), "waits");
  assert.equal(await store.lastSeq("a/0"), 1);
  assert.deepEqual(await trimmed(store, "a/0"), ["1"]);
  assert.deepEqual(await store.shards(), ["a/0"]);
  log.end();
  assert.deepEqual(await Promise.all(appends), [2, 1]);
  assert.deepEqual(await trimmed(store, "a/0"), ["1", "2"]);
  assert.deepEqual(await store.shards(), ["a/0", "b/0"]);
  await store[Symbol.asyncDispose]();
});

test("the next transaction waits for the disk, and takes all that came meanwhile (G3)", async () => {
  const { store, log } = opened("next.db");
  const first = [store.append("a/0", 0, [large("1")]), store.append("b/0", 0, [record("x")])];
  await nextRound();
  const second = [store.append("a/0", 1, [large("2")]), store.append("b/0", 1, [record("y")])];
  await nextRound();
  await nextRound();
  log.end();
  await Promise.all(first);
  assert.equal(await ended(second[0] as Promise<number>), "waits");
  assert.ok(log.isUnderWay);
  log.end();
  assert.deepEqual(await Promise.all(second), [2, 2]);
  await store[Symbol.asyncDispose]();
});

test("who writes little waits on the thread", async () => {
  const { store, log } = opened("alone.db");
  assert.equal(await store.append("a/0", 0, [record("1")]), 1);
  assert.deepEqual([log.waited, log.isUnderWay], [1, false]);
  await store[Symbol.asyncDispose]();
});

test("a disk that does not take a commit refuses it, what waits behind it, and everything later (G2)", async () => {
  const { store, log } = opened("broken.db");
  await store.append("a/0", 0, [record("1")]);
  const written = [store.append("a/0", 1, [large("2")]), store.append("b/0", 0, [record("x")])];
  await nextRound();
  const behind = store.append("c/0", 0, [record("z")]);
  log.end(Object.assign(new Error("EIO: i/o error, fdatasync"), { code: "EIO" }));
  for (const append of [...written, behind, store.append("d/0", 0, [record("later")])])
    await refusedWith("LEDGER_IO_FAILED", append);
  assert.equal(await store.lastSeq("a/0"), 1);
  assert.deepEqual(await store.shards(), ["a/0"]);
  await store[Symbol.asyncDispose]();
});

test("closing while the disk is at work waits for it on the thread, and commits what came behind", async () => {
  const { store, log } = opened("closed.db");
  const appends = [store.append("a/0", 0, [large("1")]), store.append("b/0", 0, [record("x")])];
  await nextRound();
  const behind = store.append("a/0", 1, [record("2")]);
  await store[Symbol.asyncDispose]();
  assert.deepEqual(await Promise.all([...appends, behind]), [1, 1, 2]);
  assert.deepEqual([log.waited, log.isClosed], [2, true]);
  // The disk says so as well by now; nobody asks any more.
  log.end();
});

test("a chunk that is written and not on the disk yet is not dropped by a trim (8)", async () => {
  const { store, log } = opened("chunk.db");
  await store.append("a/0", 0, [record("1"), { ...record("2"), snapshot: true }]);
  await store.putChunk("a/0", "old", Buffer.from("old"));
  const puts = [
    store.putChunk("a/0", "new", Buffer.from("new")),
    store.putChunk("a/0", "newer", randomBytes(196_608)),
  ];
  await nextRound();
  assert.ok(log.isUnderWay);
  const trimming = store.trim("a/0", 2, new Set());
  log.end();
  await Promise.all(puts);
  assert.deepEqual(await trimming, { records: 1, chunks: 1 });
  assert.equal(Buffer.from((await store.readChunk("a/0", "new")) ?? []).toString(), "new");
  assert.equal(await store.readChunk("a/0", "old"), undefined);
  await store[Symbol.asyncDispose]();
});
