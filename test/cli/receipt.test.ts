/** `vnes receipt export` on a node, `verify` without one. */
import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Home } from "./vnes.ts";

test("a receipt of a running node verifies when the node is gone; one changed byte, or another key, does not", async () => {
  await using home = new Home();
  const node = await home.boot();
  await home.json("call", "observability", "summary", "{}");
  const file = join(home.dir, "observability.json");
  const made = await home.json<{ publicKey: string; keyId: string; builds: unknown[] }>(
    ...["receipt", "export", "vnes.core.observability", "--out", file],
  );
  assert.equal(made.builds.length, 1);
  const again = await home.run("receipt", "export", "vnes.core.observability", "--out", file);
  assert.equal(again.code, 7);
  assert.match(again.err, /EXECUTION_RECEIPT_FILE_EXISTS/);
  assert.equal(statSync(join(node.ready.dataDir, "keys", "node.key.json")).mode & 0o777, 0o600);
  await node.kill("SIGTERM");

  const trust = join(home.dir, "config", "trust.json");
  const verified = await home.run("receipt", "verify", file, "--key", made.publicKey, "--trust", trust);
  assert.equal(verified.code, 0, verified.err);
  assert.match(verified.out, /verified/);
  const nowhere = await home.run("receipt", "verify", file, "--trust", join(home.dir, "none.json"));
  assert.equal(nowhere.code, 3);
  assert.match(nowhere.err, /RECEIPT_TRUST_MISSING .*none\.json/);
  const other = await home.run(
    "receipt",
    "verify",
    file,
    "--key",
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
  );
  assert.equal(other.code, 4);
  assert.match(other.err, /EXECUTION_RECEIPT_KEY_OTHER/);

  const text = readFileSync(file, "utf8");
  const at = text.indexOf('\\"kind\\":\\"turn\\"');
  writeFileSync(file, `${text.slice(0, at + 12)}T${text.slice(at + 13)}`);
  const refused = await home.run("receipt", "verify", file);
  assert.equal(refused.code, 5);
  assert.match(refused.err, /EXECUTION_RECEIPT_CHAIN_WRONG .*\/records\/\d+/);
  assert.match(
    (await home.run("receipt", "verify", join(home.dir, "none"))).err,
    /EXECUTION_RECEIPT_FILE_MISSING/,
  );

  // The key stays the node's own over a boot.
  const second = await home.boot();
  const later = await home.json<{ keyId: string }>(
    ...[
      "receipt",
      "export",
      "vnes.core.observability",
      "--from",
      "1",
      "--to",
      "2",
      "--out",
      join(home.dir, "later.json"),
    ],
  );
  assert.equal(later.keyId, made.keyId);
  await second.kill("SIGTERM");
});
