/** What the machine withholds: rights, room, and a process that stands still. Each is named, and none is a fault of vnes. */
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { unexpected } from "../../cli/src/control/failure.ts";
import { Home } from "./vnes.ts";

/** Root may read and write everything, but for a root without capabilities: it has what its files' modes give it, in whatever folder this lies. */
const AS_ORDINARY = process.getuid?.() === 0 ? ["setpriv", "--bounding-set=-all"] : [];

test("a home that may not be read is that, and no file that is wrong or missing", async () => {
  await using home = new Home(AS_ORDINARY);
  const closed = mkdtempSync(join(tmpdir(), "vnes-t-"));
  try {
    mkdirSync(join(closed, "config"));
    chmodSync(closed, 0o000);
    const config = await home.run("status", "--home", closed);
    assert.equal(config.code, 1, config.err);
    assert.match(config.err, /^CONFIG_UNREADABLE .*config\.json \(EACCES\)/m);
    const ledger = await home.run("ledger", "verify", join(closed, "ledger.sqlite"));
    assert.match(ledger.err, /^LEDGER_IO_FAILED .*EACCES/m);
  } finally {
    chmodSync(closed, 0o700);
    rmSync(closed, { recursive: true });
  }
});

test("a place that cannot be written is found by doctor before a boot, and named by what wanted to write", async () => {
  await using home = new Home(AS_ORDINARY);
  const closed = mkdtempSync(join(tmpdir(), "vnes-t-"));
  try {
    chmodSync(closed, 0o555);
    const below = join(closed, "a", "b");
    const doctor = await home.run("doctor", "--home", below);
    assert.equal(doctor.code, 1, doctor.out);
    assert.match(doctor.out, /^authority +failed +.* cannot be written \(EACCES\)/m);
    assert.match(doctor.out, /^data directory +failed +.* cannot be written \(EACCES\)/m);
    const boot = await home.run("boot", "--home", below);
    assert.match(boot.err, /^DATA_DIR_UNUSABLE .*\(EACCES\)/m);
    const key = await home.run("key", "list", "--home", below);
    assert.match(key.err, /^REGISTRY_WRITE_FAILED .*\(EACCES\)/m);
    const made = await home.run("capsule", "new", "acme.x", "--dir", join(below, "x"));
    assert.match(made.err, /^CLI_WRITE_FAILED .*\(EACCES\)/m);
  } finally {
    rmSync(closed, { recursive: true });
  }
});

test("on a full disk nothing of a new capsule stays, and doctor says how much room there is", async () => {
  const full = mkdtempSync(join(tmpdir(), "vnes-t-"));
  const small = ["bwrap", "--dev-bind", "/", "/", "--size", "8192", "--tmpfs", full];
  try {
    await using home = new Home([...small, "sh", "-c", '"$@"; ls -A "$0"', full]);
    const made = await home.run("capsule", "new", "acme.x", "--dir", join(full, "x"));
    assert.match(made.err, /^CLI_WRITE_FAILED .*\(ENOSPC\)/m);
    assert.equal(made.out, "", "what was written in part is gone");
    const doctor = await home.run("doctor", "--home", full);
    assert.match(doctor.out, /^disk +failed +0 MiB free for /m);
  } finally {
    rmSync(full, { recursive: true });
  }
});

test("what the system refuses is told as that; anything else stays a fault of vnes", () => {
  const refused = Object.assign(new Error("EACCES: permission denied"), {
    code: "EACCES",
    syscall: "open",
    path: "/x",
  });
  assert.equal(unexpected(refused).message, "The system refused to open /x (EACCES).");
  assert.equal(unexpected(new Error("x")).code, "CLI_UNEXPECTED");
  assert.equal(unexpected(null).code, "CLI_UNEXPECTED");
});

test("a node whose process stands still is found by doctor, with what wakes it", async () => {
  await using home = new Home();
  const node = await home.boot("--unconfined-dev");
  process.kill(node.pid, "SIGSTOP");
  const { code, out } = await home.run("doctor");
  process.kill(node.pid, "SIGCONT");
  assert.equal(code, 1, out);
  assert.match(
    out,
    new RegExp(
      `^node +failed +no answer within 5 s: its process ${node.pid} is stopped +kill -CONT ${node.pid}$`,
      "m",
    ),
  );
});
