/** `vnes ledger verify` on the ledger of a node that ended. */
import assert from "node:assert/strict";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { Home } from "./vnes.ts";

test("a node's ledger is refused while it runs, whole when it has ended, and damage is named with exit 5", async () => {
  await using home = new Home();
  const node = await home.boot();
  const file = join(node.ready.dataDir, "ledger.sqlite");
  const used = await home.run("ledger", "verify", file);
  assert.equal(used.code, 7, used.err);
  assert.match(used.err, /LEDGER_IN_USE/);
  await node.kill("SIGTERM");

  const whole = await home.json<{ damage: unknown[]; shards: { shard: string }[] }>("ledger", "verify");
  assert.deepEqual(whole.damage, []);
  assert.ok(whole.shards.some(({ shard }) => shard === "kernel/local"));

  const gone = join(home.dir, "gone.sqlite");
  const others = whole.shards.filter(({ shard }) => shard !== "kernel/local");
  assert.ok(others.length > 0);
  for (const { shard } of others) {
    copyFileSync(file, gone);
    const db = new DatabaseSync(gone);
    db.prepare("DELETE FROM record WHERE shard = (SELECT no FROM shard WHERE name = ?)").run(shard);
    db.prepare("DELETE FROM shard WHERE name = ?").run(shard);
    db.close();
    const missed = await home.run("ledger", "verify", gone);
    assert.equal(missed.code, 5, shard);
    assert.ok(missed.err.includes(`the whole shard ${shard} is missing`), missed.err);
  }

  const bytes = readFileSync(file);
  const row = largestRow(file, "kernel/local");
  // Pages that were split keep what was moved: the copies that nothing reads are flipped too.
  for (let at = bytes.indexOf(row); at >= 0; at = bytes.indexOf(row, at + 1))
    bytes[at + 3] = (bytes[at + 3] as number) ^ 1;
  writeFileSync(file, bytes);
  const { code, out, err } = await home.run("ledger", "verify", file);
  assert.equal(code, 5);
  assert.match(out, /kernel\/local .*record \d+: LEDGER_FILE_CORRUPT/);
  assert.match(err, /LEDGER_DAMAGED .*record \d+ of shard kernel\/local/);
  assert.match((await home.run("ledger", "verify", join(home.dir, "none"))).err, /LEDGER_FILE_MISSING/);
});

/** The beginning of what the largest row of the shard carries: not to be found elsewhere. */
function largestRow(file: string, shard: string): Uint8Array {
  const db = new DatabaseSync(file, { readOnly: true });
  const sql =
    "SELECT substr(bytes, 1, 64) AS start FROM record WHERE shard = (SELECT no FROM shard WHERE name = ?) ORDER BY length(bytes) DESC";
  const { start } = db.prepare(sql).get(shard) as { readonly start: Uint8Array };
  db.close();
  return start;
}
