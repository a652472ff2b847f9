import assert from "node:assert/strict";
import { test } from "node:test";
import { LedgerMemory, MemoryLedgerStore } from "@vnes/driver-memory";
import { isVnesError } from "@vnes/schemas";
import { ledgerStoreContract, record } from "../../../contracts/ledger-store.ts";

function opened(memory: LedgerMemory, first: MemoryLedgerStore) {
  let store = first;
  return {
    store,
    async reopen() {
      await store[Symbol.asyncDispose]();
      store = new MemoryLedgerStore(memory);
      return store;
    },
    cleanup: () => store[Symbol.asyncDispose](),
  };
}

ledgerStoreContract({
  name: "memory",
  async open() {
    const memory = new LedgerMemory();
    return opened(memory, new MemoryLedgerStore(memory));
  },
  supports: {
    async diskFull() {
      const memory = new LedgerMemory();
      const faults = { diskFullAt: new Set([20, 21]) };
      return { ...opened(memory, new MemoryLedgerStore(memory, faults)), makeSpace: async () => undefined };
    },
  },
});

test("a crash before a commit keeps nothing of it and answers nobody", async () => {
  const memory = new LedgerMemory();
  const store = new MemoryLedgerStore(memory, { crashAtCommit: { commit: 2, kept: false } });
  await store.append("a/0", 0, [record("1")]);
  let answered = false;
  const answer = () => {
    answered = true;
  };
  store.append("a/0", 1, [record("2")]).then(answer, answer);
  await new Promise((resume) => setTimeout(resume, 5));
  assert.equal(store.crashed, true);
  assert.equal(answered, false);
  await using after = new MemoryLedgerStore(memory);
  assert.equal(await after.lastSeq("a/0"), 1);
});

test("a crash after a commit keeps it and answers nobody", async () => {
  const memory = new LedgerMemory();
  const store = new MemoryLedgerStore(memory, { crashAtCommit: { commit: 1, kept: true } });
  let answered = false;
  const answer = () => {
    answered = true;
  };
  store.append("a/0", 0, [record("1")]).then(answer, answer);
  await new Promise((resume) => setTimeout(resume, 5));
  assert.equal(answered, false);
  await using after = new MemoryLedgerStore(memory);
  assert.equal(await after.lastSeq("a/0"), 1);
});

test("a broken disk refuses everything until the store is opened again", async () => {
  const memory = new LedgerMemory();
  const store = new MemoryLedgerStore(memory, { ioFailedAt: 2 });
  await store.append("a/0", 0, [record("1")]);
  for (let attempt = 0; attempt < 2; attempt++) {
    const error = await store.append("a/0", 1, [record("2")]).catch((caught: unknown) => caught);
    assert.ok(isVnesError(error));
    assert.equal(error.code, "LEDGER_IO_FAILED");
  }
  await store[Symbol.asyncDispose]();
  await using after = new MemoryLedgerStore(memory);
  assert.equal(await after.append("a/0", 1, [record("2")]), 2);
});

test("a memory made to keep what is trimmed gives the whole history back; a store reads only what is left", async () => {
  const memory = new LedgerMemory({ keepTrimmed: true });
  await using store = new MemoryLedgerStore(memory);
  for (const n of [1, 2, 3, 4])
    await store.append("a/0", n - 1, [
      n === 3 ? { ...record(String(n)), snapshot: true } : record(String(n)),
    ]);
  assert.deepEqual(await store.trim("a/0", 3, new Set()), { records: 2, chunks: 0 });
  assert.deepEqual(
    (await store.read("a/0", 1, 10)).map(({ seq }) => seq),
    [3, 4],
  );
  const whole = memory.everRecorded().get("a/0") ?? [];
  assert.deepEqual(
    whole.map(({ seq }) => seq),
    [1, 2, 3, 4],
  );
  assert.equal(memory.lastSeq("a/0"), 4);
});

test("a second store on one memory is refused while the first holds it", async () => {
  const memory = new LedgerMemory();
  await using _first = new MemoryLedgerStore(memory);
  assert.throws(() => new MemoryLedgerStore(memory), { code: "LEDGER_IN_USE" });
});
