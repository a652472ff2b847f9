/**
 * The wall clock is set an hour ahead and two back while a node runs, and the node boots again under the wrong one. What is due in
 * half an hour is not due, what is due in half a second is: timers, keys with a time to live, deadlines of calls of both kinds.
 */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Home } from "../cli/vnes.ts";
import type { Control } from "../crash/control.ts";
import { controlOf } from "./crash-home.ts";
import { settableClock } from "./settable-clock.ts";

const HOUR_MS = 3_600_000;
const FAR_MS: number = HOUR_MS / 2;
const NEAR_MS = 500;
/** Far above what anything here needs; a test that waits this long has failed. */
const PATIENCE_MS = 20_000;

/** Of each name: a timer, a key and a call that nobody answers, all for the same time from now on. */
const CLERK = `
import { capsule } from "@vnes/sdk";
export default capsule({
  calls: {
    "acme.clerk.begin": (turn, { name, afterMs }) => {
      turn.keys.set("kept/" + name, turn.at, { ttlMs: afterMs });
      turn.setTimer("due:" + name, turn.at + afterMs, name);
      const never = { capability: "acme.silent", method: "never", input: {}, tag: "never" };
      turn.call({ ...never, context: name, timeoutMs: afterMs });
      return turn.at;
    },
    "acme.clerk.look": (turn) => ({
      at: turn.at,
      kept: turn.keys.entries("kept/").map(([key]) => key),
      ended: Object.fromEntries(turn.keys.entries("ended/")),
    }),
  },
  answers: {
    never: (turn, answer, name) => turn.keys.set("ended/call/" + name, answer.ok ? "answered" : answer.code),
  },
  timers: { due: (turn, name) => turn.keys.set("ended/timer/" + name, turn.at) },
});
`;

const SILENT = `
import { capsule, later } from "@vnes/sdk";
export default capsule({ calls: { "acme.silent.never": () => later } });
`;

interface Look {
  readonly at: number;
  readonly kept: readonly string[];
  readonly ended: { readonly [name: string]: string | number };
}

test("a wall clock that jumps an hour ahead and two back makes nothing due and keeps nothing from being due", async (t) => {
  const directory = mkdtempSync(join(tmpdir(), "vnes-jump-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const clock = settableClock(directory);
  await using home = new Home(["env", `NODE_OPTIONS=${clock.option}`]);
  const clerk = await built(home, "acme.clerk", CLERK, ["begin", "look"], { requires: ["acme.silent"] });
  const silent = await built(home, "acme.silent", SILENT, ["never"], {});
  const boot = ["--capsules", clerk, "--capsules", silent, "--unconfined-dev", "--log-level", "error"];
  let node = await home.boot(...boot);
  let control = await controlOf(node);
  const begin = (name: string, afterMs: number) => ask<number>(control, "begin", { name, afterMs });
  const never = (timeoutMs: number) => control.call("acme.silent", "never", {}, timeoutMs);

  const begunAt = await begin("far", FAR_MS);
  let farEnd: unknown;
  // The longest a person may wait; also far less than the clock jumps.
  void never(60_000).then((end) => {
    farEnd = end;
  });
  clock.set(HOUR_MS);
  await untilReported(home, 1);
  const ahead = await ask<Look>(control, "look");
  assert.deepEqual([ahead.kept, ahead.ended, farEnd], [["kept/far"], {}, undefined]);
  assert.ok(ahead.at - begunAt < FAR_MS, "node time does not follow");

  clock.set(-HOUR_MS);
  await untilReported(home, 2);
  const nearAt = await begin("near", NEAR_MS);
  assert.ok(nearAt >= ahead.at, "node time does not go back");
  const nearEnd = await never(NEAR_MS);
  assert.ok(!nearEnd.ok && nearEnd.code === "CALL_TIMEOUT", JSON.stringify(nearEnd));
  let behind = await ask<Look>(control, "look");
  for (
    const deadline = performance.now() + PATIENCE_MS;
    Object.keys(behind.ended).length < 2;
    await sleep(50)
  ) {
    assert.ok(performance.now() < deadline, JSON.stringify(behind));
    behind = await ask<Look>(control, "look");
  }
  const { "ended/timer/near": firedAt, ...others } = behind.ended;
  assert.deepEqual(others, { "ended/call/near": "CALL_TIMEOUT" });
  assert.ok((firedAt as number) >= nearAt + NEAR_MS, "no timer is early");
  assert.deepEqual([behind.kept, farEnd], [["kept/far"], undefined]);

  control.close();
  await node.kill("SIGKILL");
  node = await home.boot(...boot);
  control = await controlOf(node);
  const again = await ask<Look>(control, "look");
  assert.ok(again.at >= behind.at, "what is recorded is never in the future");
  assert.deepEqual([again.kept, again.ended], [["kept/far"], behind.ended]);
  const told = JSON.stringify(
    await control.call("observability", "recent", { kind: "clock", limit: 100 }, PATIENCE_MS),
  );
  for (const what of [
    /CLOCK_JUMPED[^}]* 3[56]\d{5} ms/,
    /CLOCK_JUMPED[^}]* -7[12]\d{5} ms/,
    /CLOCK_BEHIND_LEDGER/,
  ])
    assert.match(told, what);
  control.close();
  await node.kill("SIGTERM");
  const verified = await home.run("ledger", "verify");
  assert.equal(verified.code, 0, verified.err);
});

/** Builds a capsule that provides the capability of its own name; resolves with its directory. */
async function built(
  home: Home,
  id: string,
  source: string,
  methods: readonly string[],
  more: object,
): Promise<string> {
  const dir = join(home.dir, id);
  const made = await home.run("capsule", "new", id, "--dir", dir);
  assert.equal(made.code, 0, made.err);
  writeFileSync(join(dir, "src/main.ts"), source);
  const file = join(dir, "manifest.json");
  const manifest = JSON.parse(readFileSync(file, "utf8")) as { governance: object };
  const governance = { ...manifest.governance, owner: "acme" };
  const capabilities = { determinism_tier: "D0_bit_exact", provides: [id], ...more };
  const state = { owns: ["kept/", "ended/"] };
  writeFileSync(file, JSON.stringify({ ...manifest, governance, capabilities, state }));
  const inputs = methods.map((method) => [`${id}.${method}.input`, { type: "object" }]);
  writeFileSync(join(dir, "spec/schema.json"), JSON.stringify({ $defs: Object.fromEntries(inputs) }));
  const { code, err } = await home.run("capsule", "build", dir);
  assert.equal(code, 0, err);
  return dir;
}

async function ask<T>(control: Control, method: string, input: object = {}): Promise<T> {
  const reply = await control.call("acme.clerk", method, input, PATIENCE_MS);
  assert.ok(reply.ok, JSON.stringify(reply));
  return reply.value as T;
}

/** The node has seen that its clock was set, so often. */
async function untilReported(home: Home, times: number): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const { counters } = await home.json<{ counters: { readonly [name: string]: number } }>("status");
    if (counters["clock.reported"] === times) return;
    assert.ok(performance.now() < deadline, JSON.stringify(counters));
    await sleep(100);
  }
}
