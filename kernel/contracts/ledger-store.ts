/**
 * What every `LedgerStore` must do, whichever driver it is. The numbers are those of `kernel/src/ports/ledger-store.ts`.
 * `reopen` closes the store as a clean end of the process does and opens another on what is left.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";
import {
  type LedgerStore,
  MAX_APPEND_RECORDS,
  MAX_RECORD_BYTES,
  type NewRecord,
  RECORD_HASH_BYTES,
} from "@vnes/kernel";
import { isVnesError } from "@vnes/schemas";
import fc from "fast-check";
import { trimChecks } from "./ledger-store-trim.ts";

export interface OpenedLedgerStore {
  readonly store: LedgerStore;
  reopen(): Promise<LedgerStore>;
  cleanup(): Promise<void>;
}

export interface LedgerStoreContract {
  readonly name: string;
  open(): Promise<OpenedLedgerStore>;
  readonly supports: {
    /** Opens a store that runs out of space after some records, and gives it space again. Absent: not tested here. */
    readonly diskFull?: () => Promise<OpenedLedgerStore & { makeSpace(): Promise<void> }>;
  };
  /** Titles that do not hold for this driver, each with the reason; the reason is printed. */
  readonly skip?: readonly { readonly test: string; readonly reason: string }[];
}

/** A record whose content and hash follow from its text, so that two runs agree. */
export function record(text: string): NewRecord {
  const bytes = new TextEncoder().encode(text);
  return { bytes, hash: createHash("sha256").update(bytes).digest() };
}

export function ledgerStoreContract(contract: LedgerStoreContract): void {
  const check = (title: string, run: (opened: OpenedLedgerStore) => Promise<void>): void => {
    const skipped = contract.skip?.find((one) => one.test === title);
    test(title, { skip: skipped?.reason ?? false }, async () => {
      const opened = await contract.open();
      try {
        await run(opened);
      } finally {
        await opened.cleanup();
      }
    });
  };

  describe(`ledger store contract: ${contract.name}`, () => {
    check(
      "an append resolves to the seq of its last record, counted from 1 without gaps (5)",
      async ({ store }) => {
        assert.equal(await store.append("a/0", 0, [record("1")]), 1);
        assert.equal(await store.append("a/0", 1, [record("2"), record("3")]), 3);
        const read = await store.read("a/0", 1, 10);
        assert.deepEqual(
          read.map(({ shard, seq }) => [shard, seq]),
          [
            ["a/0", 1],
            ["a/0", 2],
            ["a/0", 3],
          ],
        );
        assert.equal(await store.lastSeq("a/0"), 3);
      },
    );

    check("bytes and hash come back exactly, also none and every byte value", async ({ store, reopen }) => {
      const all = Uint8Array.from({ length: 256 }, (_, index) => index);
      const records = [new Uint8Array(0), all, new Uint8Array([0])].map((bytes, index) => ({
        bytes,
        hash: new Uint8Array(RECORD_HASH_BYTES).fill(index),
      }));
      await store.append("a/0", 0, records);
      const again = await reopen();
      const read = await again.read("a/0", 1, 10);
      assert.deepEqual(
        read.map(({ bytes, hash }) => ({ bytes: Uint8Array.from(bytes), hash: Uint8Array.from(hash) })),
        records,
      );
    });

    check(
      "what was appended is there after the store was closed and opened again (1)",
      async ({ store, reopen }) => {
        await store.append("a/0", 0, [record("1"), record("2")]);
        await store.append("b/0", 0, [record("x")]);
        const again = await reopen();
        assert.equal(await again.lastSeq("a/0"), 2);
        assert.deepEqual(await again.shards(), ["a/0", "b/0"]);
        assert.equal(await again.append("a/0", 2, [record("3")]), 3);
        assert.deepEqual(await texts(again, "a/0"), ["1", "2", "3"]);
      },
    );

    check(
      "an append that expects another seq is refused and keeps nothing (2)",
      async ({ store, reopen }) => {
        await store.append("a/0", 0, [record("1")]);
        for (const expectedSeq of [0, 2, 100]) {
          await refusedWith(
            "LEDGER_SEQUENCE_CONFLICT",
            store.append("a/0", expectedSeq, [record("no"), record("no")]),
          );
        }
        assert.deepEqual(await texts(store, "a/0"), ["1"]);
        assert.deepEqual(await texts(await reopen(), "a/0"), ["1"]);
      },
    );

    check("a conflict names the shard and both seqs", async ({ store }) => {
      await store.append("a/0", 0, [record("1"), record("2")]);
      const error = await store.append("a/0", 1, [record("no")]).catch((caught: unknown) => caught);
      assert.ok(isVnesError(error));
      assert.deepEqual(error.details, { shard: "a/0", lastSeq: 2, expectedSeq: 1 });
      assert.equal(error.retry, false);
    });

    check("of two owners of a shard only one wins (2)", async ({ store }) => {
      const racers = Array.from({ length: 8 }, (_, index) => store.append("a/0", 0, [record(`${index}`)]));
      const ends = await Promise.allSettled(racers);
      assert.equal(ends.filter(({ status }) => status === "fulfilled").length, 1);
      assert.deepEqual(await texts(store, "a/0"), ["0"]);
    });

    check("an append of one shard is all or nothing beside others (3)", async ({ store, reopen }) => {
      const ends = await Promise.allSettled([
        store.append("a/0", 0, [record("a1"), record("a2")]),
        store.append("b/0", 7, [record("b1"), record("b2")]),
        store.append("c/0", 0, [record("c1")]),
      ]);
      assert.deepEqual(
        ends.map(({ status }) => status),
        ["fulfilled", "rejected", "fulfilled"],
      );
      const again = await reopen();
      assert.deepEqual(await again.shards(), ["a/0", "c/0"]);
      assert.deepEqual(await texts(again, "b/0"), []);
    });

    check("appends to one shard issued in order resolve in order (4)", async ({ store }) => {
      const order: number[] = [];
      const appends = Array.from({ length: 100 }, (_, index) =>
        store.append("a/0", index, [record(`${index}`)]).then((seq) => order.push(seq)),
      );
      await Promise.all(appends);
      assert.deepEqual(
        order,
        Array.from({ length: 100 }, (_, index) => index + 1),
      );
    });

    check(
      "when an append fails, every later one issued to that shard fails, in order, and no other shard's (4)",
      async ({ store }) => {
        await store.append("a/0", 0, [record("1")]);
        const ended: string[] = [];
        const note = (name: string, append: Promise<number>): Promise<void> =>
          append.then(
            () => void ended.push(`${name} kept`),
            (error: unknown) => void ended.push(`${name} ${isVnesError(error) ? error.code : String(error)}`),
          );
        await Promise.all([
          note("a2", store.append("a/0", 1, [record("2")])),
          note("a3", store.append("a/0", 9, [record("wrong")])),
          note("b1", store.append("b/0", 0, [record("b1")])),
          // Would fit by its number: kept, it would stand where a3 was meant to.
          note("a4", store.append("a/0", 2, [record("after")])),
          note("b2", store.append("b/0", 1, [record("b2")])),
        ]);
        assert.deepEqual(
          ended.filter((line) => line.startsWith("a")),
          ["a2 kept", "a3 LEDGER_SEQUENCE_CONFLICT", "a4 LEDGER_SEQUENCE_CONFLICT"],
        );
        assert.deepEqual(
          ended.filter((line) => line.startsWith("b")),
          ["b1 kept", "b2 kept"],
        );
        assert.deepEqual(await texts(store, "a/0"), ["1", "2"]);
      },
    );

    check("a shard goes on after a refusal was answered", async ({ store }) => {
      await refusedWith("LEDGER_SEQUENCE_CONFLICT", store.append("a/0", 1, [record("no")]));
      assert.equal(await store.append("a/0", 0, [record("1")]), 1);
    });

    check("an append without records checks the expected seq and keeps nothing", async ({ store }) => {
      assert.equal(await store.append("a/0", 0, []), 0);
      assert.deepEqual(await store.shards(), []);
      await store.append("a/0", 0, [record("1")]);
      assert.equal(await store.append("a/0", 1, []), 1);
      await refusedWith("LEDGER_SEQUENCE_CONFLICT", store.append("a/0", 0, []));
    });

    check("many shards in flight together all end, each with its own records", async ({ store, reopen }) => {
      const shards = Array.from({ length: 64 }, (_, index) => `capsule.${index % 8}/${index}`);
      await Promise.all(
        shards.flatMap((shard) =>
          Array.from({ length: 16 }, (_, index) => store.append(shard, index, [record(`${shard}#${index}`)])),
        ),
      );
      const again = await reopen();
      assert.deepEqual(await again.shards(), [...shards].sort());
      for (const shard of shards) {
        assert.deepEqual(
          await texts(again, shard),
          Array.from({ length: 16 }, (_, index) => `${shard}#${index}`),
        );
      }
    });

    check("reads are pages from a seq, at most as long as asked", async ({ store }) => {
      const all = Array.from({ length: 25 }, (_, index) => `${index + 1}`);
      await store.append("a/0", 0, all.map(record));
      const seqs = async (from: number, limit: number): Promise<number[]> =>
        (await store.read("a/0", from, limit)).map(({ seq }) => seq);
      assert.deepEqual(await seqs(1, 10), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
      assert.deepEqual(await seqs(21, 10), [21, 22, 23, 24, 25]);
      assert.deepEqual(await seqs(0, 2), [1, 2]);
      assert.deepEqual(await seqs(26, 10), []);
      assert.deepEqual(await seqs(1, 0), []);
      assert.deepEqual(await store.read("unknown/0", 1, 10), []);
      assert.equal(await store.lastSeq("unknown/0"), 0);
    });

    check("pages that are read into a memory used again are those read without it", async ({ store }) => {
      // Rows of every kind: alike and long, alike and short, alone.
      for (let seq = 0, count = 1; seq < 400; seq += count, count = (count * 7) % 90)
        await store.append(
          "a/0",
          seq,
          [...Array(count).keys()].map((n) => record(`${seq + n} `.repeat(n * 9))),
        );
      const memory = { bytes: new Uint8Array(1_000_000), used: 0 };
      const take = (bytes: number): Uint8Array => {
        memory.used += bytes;
        return memory.bytes.subarray(memory.used - bytes, memory.used);
      };
      const last = await store.lastSeq("a/0");
      for (const limit of [1, 7, 64, 300]) {
        for (let from = 1; from <= last; ) {
          const page = await store.read("a/0", from, limit, { take });
          assert.ok(page.length > 0 && page.length <= limit);
          const texts = page.map(({ seq, bytes }) => [seq, Buffer.from(bytes).toString()]);
          memory.used = 0;
          memory.bytes.fill(0);
          // Another reader comes to the same place, and is given nothing of that memory.
          const plain = await store.read("a/0", from, page.length);
          assert.deepEqual(
            plain.map(({ seq, bytes }) => [seq, Buffer.from(bytes).toString()]),
            texts,
          );
          from += page.length;
        }
      }
    });

    check("shard names are kept apart byte for byte and listed sorted", async ({ store, reopen }) => {
      const names = ["a/1", "a/0", "a/10", "A/0", "topic/t.v1/0", "ä/0", "kernel/n 1"];
      for (const name of names) await store.append(name, 0, [record(name)]);
      const again = await reopen();
      assert.deepEqual(await again.shards(), [...names].sort());
      for (const name of names) assert.deepEqual(await texts(again, name), [name]);
    });

    check("a record of the largest size is kept, one byte more is refused by its size", async ({ store }) => {
      const hash = new Uint8Array(RECORD_HASH_BYTES);
      const largest = { bytes: new Uint8Array(MAX_RECORD_BYTES).fill(7), hash };
      assert.equal(await store.append("a/0", 0, [largest]), 1);
      const larger = { bytes: new Uint8Array(MAX_RECORD_BYTES + 1), hash };
      await refusedWith("LEDGER_RECORD_TOO_LARGE", store.append("a/0", 1, [larger]));
      const [kept] = await store.read("a/0", 1, 1);
      assert.equal(kept?.bytes.length, MAX_RECORD_BYTES);
      assert.equal(await store.lastSeq("a/0"), 1);
    });

    check("an append of the most records is kept, one more is refused", async ({ store }) => {
      const most = Array.from({ length: MAX_APPEND_RECORDS }, (_, index) => record(`${index}`));
      assert.equal(await store.append("a/0", 0, most), MAX_APPEND_RECORDS);
      const more = [...most, record("more")];
      await refusedWith("LEDGER_RECORD_TOO_LARGE", store.append("b/0", 0, more));
      assert.equal(await store.lastSeq("b/0"), 0);
    });

    check("closing ends what was issued and refuses what comes later", async ({ store }) => {
      const issued = store.append("a/0", 0, [record("1")]);
      await store[Symbol.asyncDispose]();
      assert.equal(await issued, 1);
      await refusedWith("LEDGER_CLOSED", store.append("a/0", 1, [record("2")]));
      await refusedWith("LEDGER_CLOSED", store.read("a/0", 1, 1));
      await refusedWith("LEDGER_CLOSED", store.lastSeq("a/0"));
      await refusedWith("LEDGER_CLOSED", store.shards());
      await store[Symbol.asyncDispose]();
    });

    trimChecks(check);

    const { diskFull } = contract.supports;
    if (diskFull !== undefined) {
      test("a full disk refuses with LEDGER_DISK_FULL, keeps nothing of it, and goes on once there is space", async () => {
        const opened = await diskFull();
        const { store } = opened;
        try {
          const { seq, refusal } = await fill(store, "a/0");
          assert.ok(isVnesError(refusal));
          assert.equal(refusal.code, "LEDGER_DISK_FULL");
          assert.equal(refusal.retry, true);
          assert.equal(await store.lastSeq("a/0"), seq);
          assert.equal((await store.read("a/0", seq, 10)).length, 1);
          await refusedWith("LEDGER_DISK_FULL", store.append("new/0", 0, [record("y".repeat(100_000))]));
          assert.equal(await store.lastSeq("new/0"), 0);
          await opened.makeSpace();
          assert.equal(await store.append("a/0", seq, [record("again")]), seq + 1);
          assert.equal(await store.append("new/0", 0, [record("first")]), 1);
          const reopened = await opened.reopen();
          assert.equal(await reopened.lastSeq("a/0"), seq + 1);
          assert.deepEqual(await texts(reopened, "new/0"), ["first"]);
        } finally {
          await opened.cleanup();
        }
      });
    }

    test("any run of appends, reads and reopenings agrees with a list a shard", async () => {
      const shard = fc.constantFrom("a/0", "a/1", "b/0");
      const step = fc.oneof(
        {
          weight: 8,
          arbitrary: fc.record({
            do: fc.constant("append" as const),
            shard,
            // Mostly what a good owner predicts, sometimes off.
            off: fc.oneof(
              { weight: 9, arbitrary: fc.constant(0) },
              { weight: 1, arbitrary: fc.integer({ min: -2, max: 2 }) },
            ),
            records: fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 4 }),
          }),
        },
        { weight: 3, arbitrary: fc.record({ do: fc.constant("settle" as const) }) },
        {
          weight: 2,
          arbitrary: fc.record({
            do: fc.constant("read" as const),
            shard,
            from: fc.integer({ min: 0, max: 20 }),
            limit: fc.integer({ min: 0, max: 8 }),
          }),
        },
        { weight: 1, arbitrary: fc.record({ do: fc.constant("reopen" as const) }) },
      );
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
          const opened = await contract.open();
          try {
            await runAgainstModel(opened, steps);
          } finally {
            await opened.cleanup();
          }
        }),
        { numRuns: 40 },
      );
    });
  });
}

type Step =
  | {
      readonly do: "append";
      readonly shard: string;
      readonly off: number;
      readonly records: readonly Uint8Array[];
    }
  | { readonly do: "settle" }
  | { readonly do: "read"; readonly shard: string; readonly from: number; readonly limit: number }
  | { readonly do: "reopen" };

/** The model: a list of records a shard, a shard refusing everything from its first refusal until all is settled. */
async function runAgainstModel(opened: OpenedLedgerStore, steps: readonly Step[]): Promise<void> {
  let store = opened.store;
  const model = new Map<string, Uint8Array[]>();
  const refusing = new Set<string>();
  let inFlight: Promise<void>[] = [];
  const settle = async (): Promise<void> => {
    await Promise.all(inFlight);
    inFlight = [];
    refusing.clear();
  };
  for (const step of steps) {
    switch (step.do) {
      case "append": {
        const kept = model.get(step.shard) ?? [];
        const expected = Math.max(kept.length + step.off, 0);
        const isKept = expected === kept.length && !refusing.has(step.shard);
        const append = store.append(
          step.shard,
          expected,
          step.records.map((bytes) => ({ bytes, hash: createHash("sha256").update(bytes).digest() })),
        );
        if (isKept) {
          kept.push(...step.records);
          if (kept.length > 0) model.set(step.shard, kept);
          const last = kept.length;
          inFlight.push(append.then((seq) => assert.equal(seq, last)));
        } else {
          refusing.add(step.shard);
          inFlight.push(refusedWith("LEDGER_SEQUENCE_CONFLICT", append));
        }
        break;
      }
      case "settle":
        await settle();
        break;
      case "read": {
        await settle();
        const read = await store.read(step.shard, step.from, step.limit);
        const start = Math.max(step.from, 1) - 1;
        const expected = (model.get(step.shard) ?? []).slice(start, start + step.limit);
        assert.deepEqual(
          read.map(({ seq, bytes }) => [seq, [...bytes]]),
          expected.map((bytes, index) => [start + index + 1, [...bytes]]),
        );
        break;
      }
      case "reopen":
        await settle();
        store = await opened.reopen();
        break;
    }
  }
  await settle();
  assert.deepEqual(await store.shards(), [...model.keys()].sort());
  for (const [shard, records] of model) {
    const read = await store.read(shard, 1, records.length + 1);
    assert.deepEqual(
      read.map(({ bytes }) => [...bytes]),
      records.map((bytes) => [...bytes]),
    );
  }
}

/** Appends until it is refused. */
async function fill(
  store: LedgerStore,
  shard: string,
): Promise<{ readonly seq: number; readonly refusal: unknown }> {
  for (let seq = 0; seq < 100_000; seq++) {
    try {
      await store.append(shard, seq, [record("x".repeat(10_000))]);
    } catch (refusal) {
      return { seq, refusal };
    }
  }
  throw new Error("the disk never became full");
}

export async function texts(store: LedgerStore, shard: string): Promise<string[]> {
  const read = await store.read(shard, 1, 1_000_000);
  return read.map(({ bytes }) => new TextDecoder().decode(bytes));
}

export async function refusedWith(code: string, promise: Promise<unknown>): Promise<void> {
  await assert.rejects(promise, (error: unknown) => {
    assert.ok(isVnesError(error), String(error));
    assert.equal(error.code, code);
    return true;
  });
}
