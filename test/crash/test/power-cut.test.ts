import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { openSqliteLedgerStore } from "@vnes/driver-sqlite";
import { recoverShard } from "../../../kernel/src/runtime/boot/recovery.ts";
import { plain } from "../../../kernel/test/harness/plain-state.ts";
import { digest } from "../../../kernel/test/harness/shard-harness.ts";
import { CachedDisk, snapshotFiles } from "../power-cut/disk.ts";
import { ensureStrace, recorded, recorderEnded, tracerOf } from "../power-cut/recorder.ts";
import { readTrace } from "../power-cut/trace.ts";

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
  for (let seq = 0; seq < 40; seq++) await store.append("a/0", seq, [{ bytes: new Uint8Array(seq % 4 === 3 ? 200_000 : 3000).fill(seq), hash }]);
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
  import fs from "node:fs";
  import { syncBuiltinESMExports } from "node:module";
  import { DatabaseSync } from "node:sqlite";
  const exec = DatabaseSync.prototype.exec;
  DatabaseSync.prototype.exec = function (sql) { return exec.call(this, sql.replace(/synchronous = \\w+/, "synchronous = OFF")); };
  fs.fdatasyncSync = () => {};
  fs.fdatasync = (_fd, done) => setImmediate(done, null);
  syncBuiltinESMExports();
  ${LEDGER.replace("import {", "const {").replace("} from", "} = await import(").replace('sqlite";', 'sqlite");')}`;
  const cut = await cutAfter("ledger-unsynced", script);
  const opened = await openSqliteLedgerStore({ path: join(cut, "ledger.db") }).catch(() => undefined);
  await using store = opened ?? null;
  assert.ok(store === null || (await store.lastSeq("a/0")) < 40);
});

test("cut at any moment, a ledger with snapshots and trims recovers to a state it really had, and keeps what was durable", async () => {
  ensureStrace();
  const live = join(root, "snapshots");
  mkdirSync(live);
  snapshotFiles(live, `${live}.before`);
  const script = fileURLToPath(new URL("../power-cut/snapshot-load.ts", import.meta.url));
  const [command = "", ...args] = recorded(
    [process.execPath, "--conditions=source", script, live, "7"],
    `${live}.trace`,
  );
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
  let told = "";
  for await (const text of child.stdout.setEncoding("utf8")) {
    told += String(text);
    if (told.includes("trim.chunks ")) break;
  }
  const tracer = tracerOf(child.pid ?? 0);
  child.kill("SIGKILL");
  await once(child, "exit");
  await recorderEnded(tracer);

  const states = new Map<number, string>();
  for (const [, seq = "", hash = ""] of told.matchAll(/^(\d+) ([0-9a-f]{64})$/gm))
    states.set(Number(seq), hash);
  const made = new Map(
    [...told.matchAll(/^([a-z]+\.[a-z]+) (\d+)$/gm)].map(([, name, count]) => [name, count]),
  );
  assert.ok(Number(made.get("snapshot.taken")) > 5 && Number(made.get("trim.chunks")) > 20, told);
  assert.ok(states.size > 150);

  const disk = new CachedDisk(live, `${live}.before`);
  const toss = coin();
  let cuts = 0;
  let last = 0;
  for await (const traced of readTrace(`${live}.trace`, live)) {
    disk.apply(traced);
    // What a cut leaves changes with syncs only; a few moments between them let part of what was not synced survive.
    const isSync = traced.event.call === "sync";
    if (!isSync && traced.line % 40 !== 0) continue;
    const cut = join(root, `snapshots.cut`);
    rmSync(cut, { recursive: true, force: true });
    // Surviving changes become part of the disk, so a lucky cut is made of a copy.
    (isSync ? disk : disk.copy()).writeTo(cut, isSync ? () => false : toss);
    if (!existsSync(join(cut, "ledger.db"))) continue;
    await using store = await openSqliteLedgerStore({ path: join(cut, "ledger.db") });
    if ((await store.lastSeq("a/0")) === 0) continue;
    const { state, damage } = await recoverShard(store, "a/0", digest);
    assert.deepEqual(damage, []);
    const hash = createHash("sha256")
      .update(JSON.stringify(plain(state)))
      .digest("hex");
    assert.equal(
      hash,
      states.get(state.seq),
      `cut ${cuts} at line ${traced.line}: another state at ${state.seq}`,
    );
    assert.ok(state.seq >= last || !isSync, `cut ${cuts}: ${last} was durable, ${state.seq} is left`);
    if (isSync) last = state.seq;
    cuts++;
  }
  assert.ok(cuts > 150, `${cuts} cuts`);
  assert.equal(last, Math.max(...states.keys()));
});

/** Every other change survives, beginning with none. */
function coin(): () => boolean {
  let toss = 0;
  return () => ++toss % 2 === 0;
}
