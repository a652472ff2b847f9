/** What a host uses, as it is told between two looks for everything (F1, F2). */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { after, test } from "node:test";
import { familyOf, usageOf } from "@vnes/driver-host";
import { FamilyMeter } from "../src/family-meter.ts";

/** Takes 64 MiB for each byte it is given, starts a process for an `f`, and answers. */
const PROGRAM = `const all = []; process.stdin.on("data", (said) => {
  if (String(said) === "f") require("node:child_process").spawn("sleep", ["60"], { stdio: "ignore" });
  else all.push(Buffer.alloc(64 * 1024 * 1024, 1));
  process.stdout.write("ok");
}); process.stdout.write("ok");`;
const children: ChildProcess[] = [];
after(() => {
  for (const { pid } of children) if (pid !== undefined) process.kill(-pid, "SIGKILL");
});

/** A process below another one, as a host is below its wall. */
async function started(): Promise<{ readonly pid: number; ask(what: string): Promise<void> }> {
  const shell = ["-c", '"$0" -e "$1"; true', process.execPath, PROGRAM];
  const child = spawn("bash", shell, { stdio: ["pipe", "pipe", "ignore"], detached: true });
  children.push(child);
  await once(child.stdout, "data");
  const ask = async (what: string): Promise<void> => {
    child.stdin.write(what);
    await once(child.stdout, "data");
  };
  return { pid: child.pid as number, ask };
}

/** So many looks that the next ones, up to the twentieth, are short. */
function settled(pid: number): FamilyMeter {
  const meter = new FamilyMeter(pid);
  for (let look = 0; look <= 40; look++) meter.usage();
  return meter;
}

test("memory that was taken shows at the next look, and processor time and threads are those of the whole family (F1)", async () => {
  const { pid, ask } = await started();
  const meter = settled(pid);
  const before = meter.usage();
  await ask("m");
  const now = meter.usage();
  assert.ok(now.memoryKb - before.memoryKb > 60 * 1024, `${before.memoryKb} and ${now.memoryKb} kB`);
  const { threads } = usageOf(familyOf(pid));
  assert.deepEqual([familyOf(pid).length, now.threads], [2, threads]);
  assert.ok(now.cpuMs >= before.cpuMs && now.cpuMs > 0);
  meter.end();
});

test("a process that could not be there is found within twenty looks, and one that is gone is nothing (F2)", async () => {
  const { pid, ask } = await started();
  const meter = settled(pid);
  const before = meter.usage().threads;
  await ask("f");
  const threads = Array.from({ length: 20 }, () => meter.usage().threads);
  assert.equal(threads.at(-1), before + 1);
  const leader = children.at(-1) as ChildProcess;
  process.kill(-pid, "SIGKILL");
  await once(leader, "exit");
  children.pop();
  for (let look = 0; look < 20; look++) meter.usage();
  assert.deepEqual(meter.usage(), { memoryKb: 0, threads: 0, cpuMs: 0 });
  meter.end();
});

test("its files are closed with it", async () => {
  const { pid } = await started();
  const open = (): number => readdirSync("/proc/self/fd").length;
  const before = open();
  const meter = settled(pid);
  assert.equal(open(), before + 2);
  meter.end();
  assert.equal(open(), before);
});
