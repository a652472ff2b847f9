/** `npm start` off a terminal: it ends by itself, says that the session survived, and leaves nothing running. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const MAIN = "test/demo/main.ts";
const INTERRUPT_AFTER = /client +session ses_/;

interface Options {
  readonly interruptAt?: RegExp;
  readonly args?: readonly string[];
}

async function demonstrate({
  interruptAt,
  args: more = [],
}: Options = {}): Promise<{ code: number | null; out: string; left: readonly string[] }> {
  const args = ["--conditions=source", "--disable-warning=ExperimentalWarning", MAIN, ...more];
  const mark = `demo-test-${process.pid}-${interruptAt === undefined ? "whole" : "cut"}${more.join("")}`;
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

/** What is told, without times, ports, counts, and the ids that are new in every run; the nodes' lines in any order. */
function story(out: string): readonly string[] {
  return out
    .split("\n")
    .map((line) =>
      line
        .replace(/ses_\w+/g, "ses_")
        .replace(/ [0-9a-f]{12}$/, " image")
        .replace(/\d+(\.\d+)?/g, "n")
        .replace(/ +/g, " "),
    )
    .sort();
}

test("with both ledgers on a NATS server it is the same story", async () => {
  const [embedded, onNats] = [await demonstrate(), await demonstrate({ args: ["--bus", "nats"] })];
  assert.equal(onNats.code, 0, onNats.out);
  assert.match(onNats.out, /ok {4}session +(ses_\w+) before, \1 after, \1 at the gateway/);
  assert.match(onNats.out, /ok {4}duplicates +0 /);
  assert.deepEqual(story(onNats.out), story(embedded.out));
  assert.deepEqual(onNats.left, []);
});

test("interrupted, it ends every process it started", async () => {
  const { code, left } = await demonstrate({ interruptAt: INTERRUPT_AFTER });
  assert.equal(code, 1);
  assert.deepEqual(left, []);
});
