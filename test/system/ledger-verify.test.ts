/**
 * A ledger file as a node left it, and what can become of it on a disk. One flipped bit is named, or is in a place that
 * carries nothing: then every row reads as before.
 */
import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, test } from "node:test";
import { memorySigner } from "@vnes/driver-memory";
import { openClosedLedger, openSqliteLedgerStore } from "@vnes/driver-sqlite";
import { type ShardVerdict, verifyLedger } from "@vnes/kernel";
import { isVnesError } from "@vnes/schemas";
import fc from "fast-check";
import { bootTestNode } from "../../kernel/test/harness/node-harness.ts";
import { digest } from "../../kernel/test/harness/shard-harness.ts";
import { asker, keeper } from "./ledger-capsules.ts";

const FLIPS = 400;
let directory = "";
let file = "";

before(async () => {
  directory = mkdtempSync(join(tmpdir(), "vnes-verify-"));
  file = join(directory, "ledger.sqlite");
  const ledger = await openSqliteLedgerStore({ path: file });
  const { node, ask, clock } = await bootTestNode({
    capsules: [asker, keeper],
    parts: { ledger, signer: memorySigner() },
  });
  for (let n = 0; n < 25; n++) {
    await ask("test.asker", "add", { key: `key-${n % 7}` });
    clock.advance(3);
  }
  await ledger.putChunk("test.asker/0", "chunk-1", new Uint8Array(5_000).fill(7));
  await node[Symbol.asyncDispose]();
});
after(() => rmSync(directory, { recursive: true }));

/** What is wrong, or undefined for a ledger that is whole. */
async function problemOf(path: string): Promise<string | undefined> {
  try {
    await using ledger = await openClosedLedger(path);
    const verdicts = await verifyLedger(ledger.store, digest);
    const damage = verdicts.flatMap((one) => one.damage ?? [])[0];
    return damage?.message ?? ledger.problems[0];
  } catch (error) {
    if (isVnesError(error) && /^LEDGER_(FILE_CORRUPT|FORMAT_UNKNOWN)$/.test(error.code)) return error.message;
    throw error;
  }
}

/** Every value of every row. What a column is called is no value. */
function rowsOf(path: string): string {
  const db = new DatabaseSync(path, { readOnly: true });
  const text = (_: string, value: unknown): unknown =>
    value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value;
  const tables = ["shard", "record", "chunk"].map((table) => {
    const rows = db.prepare(`SELECT * FROM ${table} ORDER BY 1`);
    rows.setReturnArrays(true);
    return JSON.stringify(rows.all(), text);
  });
  db.close();
  return tables.join("\n");
}

async function verdictsOf(path: string): Promise<readonly ShardVerdict[]> {
  await using ledger = await openClosedLedger(path);
  assert.deepEqual(ledger.problems, []);
  return await verifyLedger(ledger.store, digest);
}

function copyOf(name: string): string {
  const copy = join(directory, name);
  copyFileSync(file, copy);
  return copy;
}

test("a ledger as a node left it is whole, every reference of it leads somewhere, and the file stays as it was", async () => {
  const [bytes, names] = [readFileSync(file), readdirSync(directory)];
  const verdicts = await verdictsOf(file);
  assert.deepEqual(
    verdicts.flatMap(({ damage }) => damage ?? []),
    [],
  );
  assert.ok(verdicts.length >= 5, verdicts.map(({ shard }) => shard).join(", "));
  const references = verdicts.reduce((sum, one) => sum + one.references, 0);
  assert.ok(references >= 100, `${references} references`);
  assert.equal(
    verdicts.reduce((sum, one) => sum + one.elsewhere, 0),
    0,
  );
  assert.ok(readFileSync(file).equals(bytes));
  assert.deepEqual(readdirSync(directory), names);
});

test(`${FLIPS} flipped bits anywhere in the file: each is named, or every row reads as before`, async () => {
  const whole = readFileSync(file);
  const rows = rowsOf(copyOf("rows.sqlite"));
  const found = { named: 0, harmless: 0 };
  const flipped = join(directory, "flipped.sqlite");
  await fc.assert(
    fc.asyncProperty(fc.nat(whole.length - 1), fc.nat(7), async (at, bit) => {
      const bytes = Buffer.from(whole);
      bytes[at] = (bytes[at] as number) ^ (1 << bit);
      writeFileSync(flipped, bytes);
      const problem = await problemOf(flipped);
      if (problem !== undefined) {
        found.named++;
        return;
      }
      found.harmless++;
      assert.ok(rowsOf(flipped) === rows, `bit ${bit} of byte ${at} changed a row, and nobody said so`);
    }),
    { numRuns: FLIPS },
  );
  assert.ok(found.named > FLIPS / 4, JSON.stringify(found));
});

test("damage is said with its shard and record", async () => {
  const path = copyOf("named.sqlite");
  const db = new DatabaseSync(path);
  db.exec(
    "UPDATE record SET bytes = CAST(replace(CAST(bytes AS TEXT), 'key-3', 'key-4') AS BLOB) WHERE id = (SELECT max(id) FROM record WHERE instr(bytes, 'key-3'))",
  );
  db.close();
  await using ledger = await openClosedLedger(path);
  const [damage] = (await verifyLedger(ledger.store, digest)).flatMap((one) => one.damage ?? []);
  assert.equal(damage?.code, "LEDGER_FILE_CORRUPT");
  assert.match(damage?.message ?? "", new RegExp(`record ${damage?.seq} of shard ${damage?.shard}`));
});

test("a shard whose chain is whole and that belongs to another history is found by its references", async () => {
  const path = copyOf("mixed.sqlite");
  const other = join(directory, "other.sqlite");
  {
    const ledger = await openSqliteLedgerStore({ path: other });
    const { node, ask } = await bootTestNode({ capsules: [asker, keeper], parts: { ledger } });
    for (let n = 0; n < 25; n++) await ask("test.asker", "add", { key: `strange-${n}` });
    await node[Symbol.asyncDispose]();
  }
  const db = new DatabaseSync(path);
  db.exec(`ATTACH '${other}' AS theirs`);
  db.exec(`DELETE FROM record WHERE shard = (SELECT no FROM shard WHERE name = 'test.asker/0');
    INSERT INTO record (shard, seq, hash, crc, bytes)
      SELECT (SELECT no FROM shard WHERE name = 'test.asker/0'), seq, hash, crc, bytes FROM theirs.record
        WHERE shard = (SELECT no FROM theirs.shard WHERE name = 'test.asker/0') ORDER BY seq`);
  db.close();
  const verdicts = await verdictsOf(path);
  assert.equal(
    verdicts.find(({ shard }) => shard === "test.asker/0")?.damage?.code ?? "LEDGER_REFERENCE_WRONG",
    "LEDGER_REFERENCE_WRONG",
  );
  const damaged = verdicts.flatMap((one) => one.damage ?? []);
  assert.ok(
    damaged.length > 0 && damaged.every(({ code }) => code === "LEDGER_REFERENCE_WRONG"),
    JSON.stringify(damaged),
  );
});

test("a ledger in use is left alone; one whose process was killed is read from a copy and keeps its log", async () => {
  const path = join(directory, "used.sqlite");
  const store = await openSqliteLedgerStore({ path });
  await store.append("a/0", 0, []);
  const { node, ask } = await bootTestNode({ capsules: [asker, keeper], parts: { ledger: store } });
  await ask("test.asker", "add", { key: "a" });
  const used = await openClosedLedger(path).catch((error: unknown) => error);
  assert.ok(isVnesError(used) && used.code === "LEDGER_IN_USE", String(used));
  const killed = join(directory, "killed.sqlite");
  for (const end of ["", "-wal"]) copyFileSync(`${path}${end}`, `${killed}${end}`);
  const log = readFileSync(`${killed}-wal`);
  assert.ok(log.length > 0);
  await node[Symbol.asyncDispose]();
  const verdicts = await verdictsOf(killed);
  assert.ok(verdicts.length >= 4);
  assert.ok(readFileSync(`${killed}-wal`).equals(log));
  log[40] = (log[40] as number) ^ 4;
  writeFileSync(`${killed}-wal`, log);
  assert.match((await problemOf(killed)) ?? "", /frame 1 is damaged/);
});

test("what is no ledger is refused by name", async () => {
  const text = join(directory, "text.txt");
  writeFileSync(text, "not a ledger. ".repeat(300));
  assert.match((await problemOf(text)) ?? "", /text\.txt/);
  const empty = join(directory, "empty.sqlite");
  writeFileSync(empty, "");
  assert.match((await problemOf(empty)) ?? "", /empty\.sqlite/);
});

test("a shard that lost its end, whole in itself, is found by the heads the node signed", async () => {
  const path = copyOf("short.sqlite");
  const db = new DatabaseSync(path);
  const keeperShard = "(SELECT no FROM shard WHERE name = 'test.keeper/0')";
  db.exec(
    `DELETE FROM record WHERE shard = ${keeperShard} AND seq > (SELECT max(seq) - 3 FROM record WHERE shard = ${keeperShard})`,
  );
  db.close();
  const verdicts = await verdictsOf(path);
  assert.equal(verdicts.find(({ shard }) => shard === "test.keeper/0")?.damage, null);
  const ofKernel = verdicts.find(({ shard }) => shard === "kernel/test")?.damage;
  assert.equal(ofKernel?.code, "LEDGER_REFERENCE_WRONG");
  assert.match(ofKernel?.message ?? "", /test\.keeper\/0 \d+: there is no such record/);
});

test("a shard that is gone as a whole is found by the head the node signed, where no other store can have it", async () => {
  const path = copyOf("gone.sqlite");
  const db = new DatabaseSync(path);
  db.exec(`DELETE FROM record WHERE shard = (SELECT no FROM shard WHERE name = 'test.keeper/0');
    DELETE FROM shard WHERE name = 'test.keeper/0'`);
  db.close();
  await using ledger = await openClosedLedger(path);
  const [damage, ...more] = (await verifyLedger(ledger.store, digest, { isOnlyStore: true })).flatMap(
    (one) => one.damage ?? [],
  );
  assert.deepEqual([damage?.shard, damage?.code, more], ["kernel/test", "LEDGER_REFERENCE_WRONG", []]);
  assert.match(damage?.message ?? "", /the whole shard test\.keeper\/0 is missing/);
  // Of a ledger of several nodes this may be one part: the shard lies with another.
  const elsewhere = await verifyLedger(ledger.store, digest);
  assert.deepEqual(
    elsewhere.flatMap((one) => one.damage ?? []),
    [],
  );
  await using whole = await openClosedLedger(file);
  const verdicts = await verifyLedger(whole.store, digest, { isOnlyStore: true });
  assert.deepEqual(
    verdicts.flatMap((one) => one.damage ?? []),
    [],
  );
});
