/**
 * One flipped bit anywhere in the embedded ledger's file, and a boot on it: the boot is refused by a code that says what is damaged,
 * or the node serves exactly what it served before. Half of the bits lie where few bytes decide much: in the table of shards.
 */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openSqliteLedgerStore } from "@vnes/driver-sqlite";
import { isVnesError, type Json } from "@vnes/schemas";
import fc from "fast-check";
import { bootTestNode } from "../../kernel/test/harness/node-harness.ts";
import { asker, keeper } from "./ledger-capsules.ts";

const FLIPS = 120;
const PAGE_BYTES = 4_096;
const NAMED = /^(LEDGER_(FILE_CORRUPT|FORMAT_UNKNOWN|HASH_WRONG|RECORD_INVALID)|SNAPSHOT_CHUNK_DAMAGED)$/;
/** So that what is booted from is a snapshot and records behind it. */
const SNAPSHOTS = { minRecords: 20, minShare: 0 };

const directory = mkdtempSync(join(tmpdir(), "vnes-flipped-"));
const file = join(directory, "ledger.sqlite");
after(() => rmSync(directory, { recursive: true }));

/** What a node on that file says of itself and what it shows of its state. */
async function served(path: string): Promise<string> {
  const ledger = await openSqliteLedgerStore({ path });
  let closed = false;
  try {
    const shards: Json[] = [];
    for (const shard of await ledger.shards())
      shards.push([shard, await ledger.firstSeq(shard), await ledger.lastSeq(shard)]);
    const { node, ask } = await bootTestNode({
      capsules: [asker, keeper],
      parts: { ledger, snapshots: SNAPSHOTS },
    });
    closed = true;
    const shown = [await ask("test.asker", "show", {}), await ask("test.keeper", "show", {})];
    const { problems } = await node.status();
    await node[Symbol.asyncDispose]();
    return JSON.stringify({ shards, shown, problems });
  } finally {
    if (!closed) await ledger[Symbol.asyncDispose]();
  }
}

async function servedOrCode(path: string): Promise<string> {
  try {
    return await served(path);
  } catch (error) {
    assert.ok(isVnesError(error), String(error));
    return error.code;
  }
}

before(async () => {
  const ledger = await openSqliteLedgerStore({ path: file });
  const { node, ask, clock } = await bootTestNode({
    capsules: [asker, keeper],
    parts: { ledger, snapshots: SNAPSHOTS },
  });
  for (let n = 0; n < 25; n++) {
    await ask("test.asker", "add", { key: `key-${n % 7}` });
    clock.advance(3);
  }
  await node[Symbol.asyncDispose]();
});

test(`${FLIPS} flipped bits: each boot is refused by name, or serves what it served before`, async () => {
  const whole = readFileSync(file);
  const path = join(directory, "flipped.sqlite");
  const lay = (bytes: Uint8Array): void => {
    for (const end of ["-wal", "-shm"]) rmSync(`${path}${end}`, { force: true });
    writeFileSync(path, bytes);
  };
  lay(whole);
  const before = await served(path);
  // The schema is page 1, the table of shards page 2 and its index page 3; what they hold lies at the end of each.
  const inTable = fc.tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 400 }));
  const place = fc.oneof(
    fc.nat(whole.length - 1),
    inTable.map(([page, fromEnd]) => (page + 1) * PAGE_BYTES - fromEnd),
  );
  const found = { named: 0, harmless: 0 };
  await fc.assert(
    fc.asyncProperty(place, fc.nat(7), async (at, bit) => {
      const bytes = Buffer.from(whole);
      bytes[at] = (bytes[at] as number) ^ (1 << bit);
      lay(bytes);
      const after = await servedOrCode(path);
      if (NAMED.test(after)) {
        found.named++;
        return;
      }
      found.harmless++;
      assert.equal(after, before, `bit ${bit} of byte ${at} changed what is served, and nobody said so`);
    }),
    { numRuns: FLIPS },
  );
  assert.ok(found.named > FLIPS / 8 && found.harmless > 0, JSON.stringify(found));
});
