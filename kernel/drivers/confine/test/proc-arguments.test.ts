/** What of `/proc` is covered, on a folder that looks like one. */
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { procArguments } from "../src/proc-arguments.ts";

test("what only root reads and what is of the machine is covered, and processes that come and go are not looked at", () => {
  const proc = mkdtempSync(join(tmpdir(), "vnes-proc-"));
  try {
    for (const folder of ["sys", "net", "1"]) mkdirSync(join(proc, folder));
    for (const file of ["cmdline", "cpuinfo", "kcore", "keys"]) writeFileSync(join(proc, file), "");
    chmodSync(join(proc, "kcore"), 0o400);
    // As one that has ended between the listing and the look at it: nothing is there. A file would be covered.
    symlinkSync("nowhere", join(proc, "self"));
    writeFileSync(join(proc, "11878"), "", { mode: 0o400 });
    const args = procArguments(proc).join(" ");
    assert.deepEqual(args.match(/(?:--tmpfs|--ro-bind \/dev\/null) \S+/g)?.sort(), [
      "--ro-bind /dev/null /proc/cmdline",
      "--ro-bind /dev/null /proc/kcore",
      "--ro-bind /dev/null /proc/keys",
      "--tmpfs /proc/sys",
    ]);
    assert.match(args, /^--proc \/proc .*--remount-ro \/proc$/);
  } finally {
    rmSync(proc, { recursive: true });
  }
});
