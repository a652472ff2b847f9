import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { openSqliteLedgerStore } from "@vnes/driver-sqlite";
import { CachedDisk, snapshotFiles } from "../power-cut/disk.ts";
import { ensureStrace, recorded, recorderEnded, tracerOf } from "../power-cut/recorder.ts";

const root = mkdtempSync(join(tmpdir(), "vnes-power-"));
after(() => rmSync(root, { recursive: true }));

/** Runs a script recorded, waits for it to say it is done, kills it, and gives back what a power cut would leave. */
async function cutAfter(name: string, script: string, survives?: () => boolean): Promise<string> {
  ensureStrace();
  const live = join(root, name);
  mkdirSync(live);
  writeFileSync(join(live, "before.txt"), "before");
  snapshotFiles(live, `${live}.before`);
  const [command = "", ...args] = recorded(
    [process.execPath, "--conditions=source", "--input-type=module", "-e", script, live],
    `${live}.trace`,
  );
  const child = spawn(command, args, {
    stdio: ["ignore", "pipe", "inherit"],
    cwd: fileURLToPath(new URL("..", import.meta.url)),
  });
  await once(child.stdout, "data");
  const tracer = tracerOf(child.pid ?? 0);
  assert.ok(tracer > 0);
  child.kill("SIGKILL");
  await once(child, "exit");
  await recorderEnded(tracer);
  const disk = new CachedDisk(live, `${live}.before`);
  assert.ok((await disk.replay(`${live}.trace`)) > 0);
  disk.writeTo(`${live}.cut`, survives);
  return `${live}.cut`;
}

const FILES = `
  import fs from "node:fs";
  const dir = process.argv[1];
  const sync = (path) => { const fd = fs.openSync(path, "r"); fs.fsyncSync(fd); fs.closeSync(fd); };
  const fd = fs.openSync(dir + "/a", "w");
  fs.writeSync(fd, "kept", 0); fs.fsyncSync(fd);
  fs.writeSync(fd, "LOST", 4); fs.writeSync(fd, "K", 0);
  fs.appendFileSync(dir + "/before.txt", " and after");
  fs.writeFileSync(dir + "/tmp", "renamed"); sync(dir + "/tmp");
  fs.renameSync(dir + "/tmp", dir + "/moved");
  sync(dir);
  fs.writeFileSync(dir + "/nameless", "never named on the disk"); sync(dir + "/nameless");
  fs.unlinkSync(dir + "/moved");
  console.log("done"); setInterval(() => {}, 1000);`;

test("a power cut keeps what was synced, in files and in directories, and nothing else", async () => {
  const cut = await cutAfter("files", FILES);
  assert.equal(readFileSync(join(cut, "a"), "latin1"), "kept");
  assert.equal(readFileSync(join(cut, "before.txt"), "latin1"), "before");
  assert.equal(readFileSync(join(cut, "moved"), "latin1"), "renamed");
  assert.equal(existsSync(join(cut, "tmp")), false);
  assert.equal(existsSync(join(cut, "nameless")), false);
});

test("what was not synced may survive all the same", async () => {
  const cut = await cutAfter("lucky", FILES, () => true);
  assert.equal(readFileSync(join(cut, "a"), "latin1"), "KeptLOST");
  assert.equal(readFileSync(join(cut, "before.txt"), "latin1"), "before and after");
});

const LEDGER = `
  import { openSqliteLedgerStore } from "@vnes/driver-sqlite";
  const store = await openSqliteLedgerStore({ path: process.argv[1] + "/ledger.db" });
  const hash = new Uint8Array(32);
  for (let seq = 0; seq < 40; seq++) await store.append("a/0", seq, [{ bytes: new Uint8Array(3000).fill(seq), hash }]);
  console.log("done"); setInterval(() => {}, 1000);`;

test("every record the sqlite ledger acknowledged outlives a power cut (ledger store 1)", async () => {
  for (const [name, survives] of [
    ["none", () => false],
    ["half", coin()],
  ] as const) {
    const cut = await cutAfter(`ledger-${name}`, LEDGER, survives);
    await using store = await openSqliteLedgerStore({ path: join(cut, "ledger.db") });
    assert.equal(await store.lastSeq("a/0"), 40);
    assert.equal((await store.read("a/0", 1, 100)).length, 40);
  }
});

test("the recorder would notice: without syncs the same ledger loses records", async () => {
  const script = `
  import { DatabaseSync } from "node:sqlite";
  const exec = DatabaseSync.prototype.exec;
  DatabaseSync.prototype.exec = function (sql) { return exec.call(this, sql.replace("synchronous = FULL", "synchronous = OFF")); };
  ${LEDGER.replace("import {", "const {").replace("} from", "} = await import(").replace('sqlite";', 'sqlite");')}`;
  const cut = await cutAfter("ledger-unsynced", script);
  const opened = await openSqliteLedgerStore({ path: join(cut, "ledger.db") }).catch(() => undefined);
  await using store = opened ?? null;
  assert.ok(store === null || (await store.lastSeq("a/0")) < 40);
});

/** Every other change survives, beginning with none. */
function coin(): () => boolean {
  let toss = 0;
  return () => ++toss % 2 === 0;
}
