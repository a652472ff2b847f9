import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import { ledgerStoreContract } from "../../../contracts/ledger-store.ts";
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
