/** `npm start` off a terminal: it ends by itself, says that the session survived, and leaves nothing running. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const MAIN = "test/demo/main.ts";
const INTERRUPT_AFTER = /client +session ses_/;

async function demonstrate(
  interruptAt?: RegExp,
): Promise<{ code: number | null; out: string; left: readonly string[] }> {
  const args = ["--conditions=source", "--disable-warning=ExperimentalWarning", MAIN];
  const mark = `demo-test-${process.pid}-${interruptAt === undefined ? "whole" : "cut"}`;
  const child = spawn(process.execPath, args, { cwd: ROOT, env: { ...process.env, VNES_DEMO_MARK: mark } });
  let out = "";
  child.stdout.on("data", (text: Buffer) => {
    out += text.toString();
    if (interruptAt?.test(out)) child.kill("SIGINT");
  });
  child.stderr.resume();
  const code = await new Promise<number | null>((done) => child.once("close", done));
  return { code, out, left: processesWith(mark) };
}

/** Every process of the demonstration inherits its environment. */
function processesWith(mark: string): readonly string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, "utf8").includes(mark);
      } catch {
        return false;
      }
    });
}

test("the session outlives the relay that carried it, with the same id and no duplicate", async () => {
  const { code, out, left } = await demonstrate();
  assert.equal(code, 0, out);
  assert.match(out, /The session survived its transport\./);
  assert.match(out, /ok {4}session +(ses_\w+) before, \1 after, \1 at the gateway/);
  assert.match(out, /ok {4}duplicates +0 /);
  assert.ok(!out.includes("\u001b"), "plain off a terminal");
  assert.deepEqual(left, []);
});

test("interrupted, it ends every process it started", async () => {
  const { code, left } = await demonstrate(INTERRUPT_AFTER);
  assert.equal(code, 1);
  assert.deepEqual(left, []);
});
