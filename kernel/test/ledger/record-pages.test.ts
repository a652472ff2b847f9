import assert from "node:assert/strict";
import { test } from "node:test";
import { LedgerMemory, MemoryLedgerStore } from "@vnes/driver-memory";
import { record } from "../../contracts/ledger-store.ts";
import { encodeRecord, type KernelRecord } from "../../src/ledger/record.ts";
import { RecordPages } from "../../src/runtime/ledger/record-pages.ts";

const told = (seq: number): KernelRecord => ({
  v: 1,
  kind: "kernel",
  seq,
  at: 1,
  fact: { type: "told" },
  effects: [],
  released: 0,
});
const fact = (seq: number): ReturnType<typeof record> => ({
  ...record(String(seq)),
  bytes: encodeRecord(told(seq)),
});

test("who asks for one record again and again has it decoded once, and the newest of each shard is kept", async () => {
  const store = new MemoryLedgerStore(new LedgerMemory());
  for (const shard of ["a/0", "b/0"]) await store.append(shard, 0, [fact(1), fact(2)]);
  const pages = new RecordPages(store);
  const first = await pages.decoded("a/0", 1);
  assert.deepEqual(first?.record, told(1));
  assert.equal((await pages.decoded("b/0", 2))?.record.seq, 2);
  assert.equal(await pages.decoded("a/0", 1), first);
  assert.equal((await pages.decoded("a/0", 2))?.record.seq, 2);
  assert.equal((await pages.decoded("a/0", 1))?.record.seq, 1);
  assert.equal(await pages.decoded("a/0", 3), undefined);
});

test("a record that cannot be decoded is refused by name, and its neighbours are read all the same", async () => {
  const store = new MemoryLedgerStore(new LedgerMemory());
  await store.append("a/0", 0, [fact(1), record("not a record"), fact(3)]);
  const pages = new RecordPages(store);
  await assert.rejects(pages.decoded("a/0", 2), { code: "LEDGER_RECORD_INVALID" });
  assert.equal((await pages.decoded("a/0", 3))?.record.seq, 3);
});
