/** Paths that cannot be made are said to be so, and soon. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { makePath } from "../src/writable.ts";

const WRITABLE = fileURLToPath(new URL("../src/writable.ts", import.meta.url));

test("a directory is made with all above it, is made again without a word, and not where a file is", (t) => {
  const dir = mkdtempSync(join(tmpdir(), "vnes-writable-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const path = join(dir, "a", "b", "c");
  makePath(path, 0o700);
  makePath(path, 0o700);
  assert.equal(statSync(join(dir, "a")).mode & 0o777, 0o700);
  writeFileSync(join(dir, "file"), "");
  assert.throws(() => makePath(join(dir, "file"), 0o700), { code: "EEXIST" });
  assert.throws(() => makePath(join(dir, "file", "below"), 0o700), { code: "ENOTDIR" });
});

test("where the system makes nothing below a directory that is there, the attempt ends", () => {
  const script = `import { makePath } from ${JSON.stringify(WRITABLE)};
    try { makePath("/proc/vnes/deep", 0o700); } catch ({ code }) { console.log(code); }`;
  // In a process of its own, as what goes on for ever in Node is not interrupted by anything but its end.
  const options = { encoding: "utf8", timeout: 20_000, killSignal: "SIGKILL" } as const;
  const said = execFileSync(process.execPath, ["--input-type=module", "-e", script], options);
  assert.match(said, /^(ENOENT|EACCES|EPERM)\n$/);
});
