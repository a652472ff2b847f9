import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import { isVnesError } from "@vnes/schemas";
import { ledgerStoreContract, record, texts } from "../../../contracts/ledger-store.ts";
import { openDatabase } from "../src/database.ts";
import { SqliteLedgerStore } from "../src/ledger-store.ts";
import { NO_LOG } from "../src/log-sync.ts";
import { openedIn } from "./opened.ts";

ledgerStoreContract({ name: "sqlite", open: () => openedIn(), supports: {} });

test("a real full file system: refused, nothing kept, and it goes on once there is space", () => {
  const contract = fileURLToPath(new URL("full-disk.contract.ts", import.meta.url));
  const inside =
    'mount -t tmpfs -o size=3m tmpfs /mnt && exec "$0" --conditions=source --test-name-pattern "full disk" "$1"';
  // A namespace of its own, so that mounting needs no rights on this machine.
  const run = spawnSync(
    "unshare",
    ["--map-root-user", "--mount", "sh", "-c", inside, process.execPath, contract],
    {
      encoding: "utf8",
      env: { ...process.env, NODE_TEST_CONTEXT: undefined, VNES_FULL_DISK: "/mnt" },
      timeout: 60_000,
    },
  );
  assert.ifError(run.error);
  assert.equal(run.status, 0, `${run.stdout}\n${run.stderr}`);
  assert.match(run.stdout, /pass 1\b/);
});

test("records a commit had no room for are not in the next one (G2)", async () => {
  const db = openDatabase(":memory:");
  await using store = new SqliteLedgerStore(":memory:", db, NO_LOG);
  await store.append("a/0", 0, [record("1")]);
  const { page_count: pages } = db.prepare("PRAGMA page_count").get() as { readonly page_count: number };
  db.exec(`PRAGMA max_page_count = ${pages}`);
  // Too large for a run, so that it is the insert that fails, with records of both shards still to be written.
  const large = record("2".repeat(400_000));
  const refused = await Promise.allSettled([
    store.append("b/0", 0, [record("x")]),
    store.append("a/0", 1, [large, record("3")]),
  ]);
  for (const one of refused) {
    assert.ok(one.status === "rejected" && isVnesError(one.reason), one.status);
    assert.equal(one.reason.code, "LEDGER_DISK_FULL");
  }
  db.exec("PRAGMA max_page_count = 10000");
  assert.equal(await store.append("a/0", 1, [record("4")]), 2);
  assert.deepEqual(await texts(store, "a/0"), ["1", "4"]);
  assert.deepEqual(await store.shards(), ["a/0"]);
});
