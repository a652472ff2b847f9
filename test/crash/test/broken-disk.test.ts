import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { openSqliteLedgerStore } from "@vnes/driver-sqlite";
import { ensureStrace } from "../power-cut/recorder.ts";

const root = mkdtempSync(join(tmpdir(), "vnes-broken-"));
after(() => rmSync(root, { recursive: true }));

/** Appends until it is refused, then once more, and says how both ended and how many were acknowledged. */
const SCRIPT = `
  import { openSqliteLedgerStore } from "@vnes/driver-sqlite";
  const store = await openSqliteLedgerStore({ path: process.argv[1] });
  const append = (seq) => store.append("a/0", seq, [{ bytes: new Uint8Array(500).fill(seq), hash: new Uint8Array(32) }]);
  let seq = 0;
  const codes = [];
  while (codes.length === 0) await append(seq).then(() => seq++, (error) => codes.push(error.code));
  await append(seq).catch((error) => codes.push(error.code));
  console.log(JSON.stringify({ seq, codes }));
  process.exit(0);`;

for (const [call, error, when] of [
  ["fdatasync", "EIO", "20"],
  ["pwrite64", "EIO", "60"],
] as const) {
  test(`${call} failing with ${error} refuses everything after it and loses nothing that was acknowledged`, async () => {
    ensureStrace();
    const path = join(root, `${call}.db`);
    const inject = [
      "-f",
      "-qq",
      "-o",
      "/dev/null",
      "-e",
      `trace=${call}`,
      "-e",
      `inject=${call}:error=${error}:when=${when}`,
    ];
    const node = [process.execPath, "--conditions=source", "--input-type=module", "-e", SCRIPT, path];
    const cwd = fileURLToPath(new URL("..", import.meta.url));
    const run = spawnSync("strace", [...inject, ...node], { encoding: "utf8", cwd, timeout: 30_000 });
    assert.equal(run.status, 0, run.stderr);
    const { seq, codes } = JSON.parse(run.stdout) as {
      readonly seq: number;
      readonly codes: readonly string[];
    };
    assert.deepEqual(codes, ["LEDGER_IO_FAILED", "LEDGER_IO_FAILED"]);
    assert.ok(seq > 0);
    await using store = await openSqliteLedgerStore({ path });
    assert.ok((await store.lastSeq("a/0")) >= seq);
    assert.ok((await store.read("a/0", 1, 1_000)).length >= seq);
  });
}
