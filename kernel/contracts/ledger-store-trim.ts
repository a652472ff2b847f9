/** The part of the ledger store contract about snapshots, chunks and trimming (rules 6 to 9). */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { type LedgerStore, MAX_CHUNK_BYTES, type NewRecord } from "@vnes/kernel";
import fc from "fast-check";
import { type OpenedLedgerStore, record, refusedWith, texts } from "./ledger-store.ts";

type Check = (title: string, run: (opened: OpenedLedgerStore) => Promise<void>) => void;

const NOTHING: ReadonlySet<string> = new Set();

function marked(text: string): NewRecord {
  return { ...record(text), snapshot: true };
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

async function chunk(store: LedgerStore, shard: string, name: string): Promise<string | undefined> {
  const bytes = await store.readChunk(shard, name);
  return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
}

/** `count` records of a shard, the last one a snapshot. */
async function filled(store: LedgerStore, shard: string, count: number): Promise<void> {
  const records = Array.from({ length: count - 1 }, (_, index) => record(`${index + 1}`));
  await store.append(shard, 0, [...records, marked(`${count}`)]);
}

export function trimChecks(check: Check): void {
  check(
    "a chunk is there after the store was closed and opened again, by shard and name (6)",
    async (opened) => {
      const { store } = opened;
      await store.putChunk("a/0", "one", bytesOf("of a"));
      await store.putChunk("b/0", "one", bytesOf("of b"));
      await store.putChunk("a/0", "none", new Uint8Array(0));
      const again = await opened.reopen();
      assert.equal(await chunk(again, "a/0", "one"), "of a");
      assert.equal(await chunk(again, "b/0", "one"), "of b");
      assert.equal(await chunk(again, "a/0", "none"), "");
      assert.equal(await chunk(again, "a/0", "other"), undefined);
      assert.deepEqual(await again.shards(), []);
      assert.equal(await again.lastSeq("a/0"), 0);
    },
  );

  check("a chunk put again replaces what was there (6)", async (opened) => {
    await opened.store.putChunk("a/0", "one", bytesOf("first"));
    await opened.store.putChunk("a/0", "one", bytesOf("second"));
    assert.equal(await chunk(opened.store, "a/0", "one"), "second");
    assert.equal(await chunk(await opened.reopen(), "a/0", "one"), "second");
  });

  check(
    "a chunk of the largest size is kept, one byte more is refused by its size (6)",
    async ({ store }) => {
      const largest = randomBytes(MAX_CHUNK_BYTES);
      await store.putChunk("a/0", "large", largest);
      assert.ok(largest.equals((await store.readChunk("a/0", "large")) ?? new Uint8Array(0)));
      const larger = new Uint8Array(MAX_CHUNK_BYTES + 1);
      await refusedWith("LEDGER_RECORD_TOO_LARGE", store.putChunk("a/0", "larger", larger));
      assert.equal(await store.readChunk("a/0", "larger"), undefined);
    },
  );

  check("the newest record marked as a snapshot is found, also after reopening (7)", async (opened) => {
    const { store } = opened;
    assert.equal(await store.lastSnapshot("a/0"), 0);
    await store.append("a/0", 0, [record("1"), marked("2"), record("3"), marked("4"), record("5")]);
    await store.append("b/0", 0, [record("1")]);
    assert.equal(await store.lastSnapshot("a/0"), 4);
    assert.equal(await store.lastSnapshot("b/0"), 0);
    await refusedWith("LEDGER_SEQUENCE_CONFLICT", store.append("a/0", 2, [marked("no")]));
    assert.equal(await store.lastSnapshot("a/0"), 4);
    const again = await opened.reopen();
    assert.equal(await again.lastSnapshot("a/0"), 4);
    await again.append("a/0", 5, [marked("6")]);
    assert.equal(await again.lastSnapshot("a/0"), 6);
  });

  check("a trim drops what is older and no longer named, and nothing else (8)", async (opened) => {
    const { store } = opened;
    await filled(store, "a/0", 10);
    await filled(store, "b/0", 10);
    for (const name of ["old", "kept", "also kept"]) await store.putChunk("a/0", name, bytesOf(name));
    await store.putChunk("b/0", "old", bytesOf("of b"));
    assert.equal(await store.firstSeq("a/0"), 1);
    assert.deepEqual(await store.trim("a/0", 8, new Set(["kept", "also kept"])), { records: 7, chunks: 1 });
    const look = async (one: LedgerStore): Promise<void> => {
      assert.equal(await one.firstSeq("a/0"), 8);
      assert.equal(await one.lastSeq("a/0"), 10);
      assert.deepEqual(await texts(one, "a/0"), ["8", "9", "10"]);
      assert.deepEqual(
        (await one.read("a/0", 3, 2)).map(({ seq }) => seq),
        [8, 9],
      );
      assert.equal(await chunk(one, "a/0", "old"), undefined);
      assert.equal(await chunk(one, "a/0", "kept"), "kept");
      assert.equal(await chunk(one, "a/0", "also kept"), "also kept");
      assert.equal(await one.firstSeq("b/0"), 1);
      assert.equal(await chunk(one, "b/0", "old"), "of b");
    };
    await look(store);
    await look(await opened.reopen());
  });

  check("a shard goes on after a trim, with the seqs it would have had (5, 8)", async (opened) => {
    const { store } = opened;
    await filled(store, "a/0", 5);
    await store.trim("a/0", 5, NOTHING);
    assert.equal(await store.append("a/0", 5, [record("6")]), 6);
    await refusedWith("LEDGER_SEQUENCE_CONFLICT", store.append("a/0", 1, [record("no")]));
    const again = await opened.reopen();
    assert.equal(await again.append("a/0", 6, [record("7")]), 7);
    assert.deepEqual(await texts(again, "a/0"), ["5", "6", "7"]);
    assert.deepEqual(await again.shards(), ["a/0"]);
  });

  check("a trim twice, of nothing, or of an unknown shard drops nothing (8)", async ({ store }) => {
    await filled(store, "a/0", 5);
    await store.trim("a/0", 4, NOTHING);
    assert.deepEqual(await store.trim("a/0", 4, NOTHING), { records: 0, chunks: 0 });
    assert.deepEqual(await store.trim("a/0", 2, NOTHING), { records: 0, chunks: 0 });
    assert.deepEqual(await store.trim("b/0", 1, NOTHING), { records: 0, chunks: 0 });
    assert.deepEqual(await texts(store, "a/0"), ["4", "5"]);
  });

  check(
    "chunks nobody names are dropped by the next trim, also those of a shard without records (6, 8)",
    async ({ store }) => {
      for (let index = 0; index < 40; index++) await store.putChunk("a/0", `c${index}`, bytesOf(`${index}`));
      assert.deepEqual(await store.trim("a/0", 0, new Set(["c7"])), { records: 0, chunks: 39 });
      assert.equal(await chunk(store, "a/0", "c7"), "7");
    },
  );

  check("a trim beyond the newest snapshot is refused and drops nothing (8)", async ({ store }) => {
    await store.append("a/0", 0, [record("1"), marked("2"), record("3")]);
    await assert.rejects(store.trim("a/0", 3, NOTHING), RangeError);
    await store.append("b/0", 0, [record("1"), record("2")]);
    await assert.rejects(store.trim("b/0", 2, NOTHING), RangeError);
    assert.deepEqual(await texts(store, "a/0"), ["1", "2", "3"]);
    assert.deepEqual(await texts(store, "b/0"), ["1", "2"]);
  });

  check("appends, reads and chunks beside a trim are kept (9)", async (opened) => {
    const { store } = opened;
    await filled(store, "a/0", 2_000);
    for (const name of ["doomed", "put again"]) await store.putChunk("a/0", name, bytesOf("old"));
    const trimming = store.trim("a/0", 1_990, NOTHING);
    const beside = Promise.all([
      store.putChunk("a/0", "put again", bytesOf("new")),
      store.putChunk("a/0", "new", bytesOf("new")),
      store.append("a/0", 2_000, [record("2001")]),
      store.append("b/0", 0, [record("1")]),
    ]);
    assert.deepEqual(
      (await store.read("a/0", 1_995, 2)).map(({ seq }) => seq),
      [1_995, 1_996],
    );
    await beside;
    const { records } = await trimming;
    assert.equal(records, 1_989);
    const again = await opened.reopen();
    assert.equal(await again.lastSeq("a/0"), 2_001);
    assert.equal(await again.firstSeq("a/0"), 1_990);
    assert.equal(await chunk(again, "a/0", "put again"), "new");
    assert.equal(await chunk(again, "a/0", "new"), "new");
    assert.equal(await chunk(again, "a/0", "doomed"), undefined);
  });

  check("a closed store refuses chunks and trims as it refuses records", async ({ store }) => {
    await store[Symbol.asyncDispose]();
    await refusedWith("LEDGER_CLOSED", store.putChunk("a/0", "c", bytesOf("c")));
    await refusedWith("LEDGER_CLOSED", store.readChunk("a/0", "c"));
    await refusedWith("LEDGER_CLOSED", store.trim("a/0", 0, NOTHING));
    await refusedWith("LEDGER_CLOSED", store.firstSeq("a/0"));
    await refusedWith("LEDGER_CLOSED", store.lastSnapshot("a/0"));
    await refusedWith("LEDGER_CLOSED", store.sizeBytes());
  });

  check("a store that keeps more says that it is larger", async ({ store }) => {
    const before = await store.sizeBytes();
    const bytes = randomBytes(1_000_000);
    await store.append("a/0", 0, [{ bytes, hash: new Uint8Array(32) }]);
    assert.ok((await store.sizeBytes()) >= before + 1_000_000);
  });

  check(
    "any run of snapshots and trims leaves the newest records and the named chunks (8)",
    async (opened) => {
      const step = fc.oneof(
        fc.record({
          do: fc.constant("append" as const),
          count: fc.integer({ min: 1, max: 5 }),
          mark: fc.boolean(),
        }),
        fc.record({ do: fc.constant("chunk" as const), name: fc.constantFrom("x", "y", "z") }),
        fc.record({
          do: fc.constant("trim" as const),
          back: fc.nat({ max: 12 }),
          keep: fc.subarray(["x", "y", "z"]),
        }),
        fc.record({ do: fc.constant("reopen" as const) }),
      );
      let store = opened.store;
      let run = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
          const shard = `run/${run++}`;
          const chunks = new Set<string>();
          let [first, last, snapshot] = [1, 0, 0];
          for (const one of steps) {
            if (one.do === "append") {
              const records = Array.from({ length: one.count }, (_, index) => record(`${last + 1 + index}`));
              if (one.mark) records.push(marked(`${last + 1 + one.count}`));
              last = await store.append(shard, last, records);
              if (one.mark) snapshot = last;
            } else if (one.do === "chunk") {
              await store.putChunk(shard, one.name, bytesOf(one.name));
              chunks.add(one.name);
            } else if (one.do === "trim") {
              const before = Math.max(snapshot - one.back, 0);
              await store.trim(shard, before, new Set(one.keep));
              first = Math.max(first, before);
              for (const name of [...chunks]) if (!one.keep.includes(name)) chunks.delete(name);
            } else store = await opened.reopen();
          }
          assert.equal(await store.firstSeq(shard), last === 0 ? 0 : first);
          assert.equal(await store.lastSnapshot(shard), snapshot);
          const expected = Array.from({ length: last - first + 1 }, (_, index) => `${first + index}`);
          assert.deepEqual(await texts(store, shard), expected);
          for (const name of ["x", "y", "z"])
            assert.equal(await chunk(store, shard, name), chunks.has(name) ? name : undefined);
        }),
        { numRuns: 40 },
      );
    },
  );
}
