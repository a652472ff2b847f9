/**
 * A native capsule with a thread of its own that never stops, in a real process behind a real wall, under a whole kernel: it wants no turns,
 * and is held to its budget all the same. Node time is the test's; what the process uses is the machine's word.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { openWalls, type Walls } from "@vnes/driver-confine";
import { familyOf, usageOf } from "@vnes/driver-host";
import { nativeExecutor, openProcessSandbox } from "@vnes/driver-process";
import type { Confinement, Sandbox, SandboxInstance } from "@vnes/kernel";
import type { Policy } from "@vnes/schemas";
import { compile, nativeSpec } from "../../kernel/drivers/process/test/native-capsule.ts";
import {
  bootTestNode,
  manifestOf,
  policy,
  type TestCapsule,
  type TestNode,
} from "../../kernel/test/harness/node-harness.ts";

const walls: Walls = await openWalls();
const skip = walls.platform.lacks.map(({ part, found }) => `${part}: ${found}`)[0] ?? false;

const SPINNING = `#define VNES_IMPLEMENTATION
#include "vnes.h"
#include <pthread.h>
static void *spin(void *given) { (void)given; for (volatile unsigned n = 0;; n++) { } return NULL; }
static vnes_value *ok(vnes_turn *turn, const vnes_value *input, const vnes_call_info *info) { (void)info; return vnes_new_number(turn, vnes_number(input) + 1); }
static const vnes_call_handler calls[] = {{"test.busy.next", ok}, {NULL, NULL}};
int main(void) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, spin, NULL) != 0) return 1;
  static const vnes_handlers handlers = {.calls = calls};
  return vnes_serve(&handlers);
}
`;
const CONFINEMENT: Confinement = {
  ...{
    zone: "tenant",
    wall: "namespaces",
    sharedBy: "test",
    memoryMb: 128,
    pids: 32,
    nice: 5,
    openFiles: 32,
  },
  ...{ scratchMb: 0, messageMb: 8, network: "none", devices: "none", reads: "program" },
  // Of one core: what is tested is not this bound.
  cpuPercent: 400,
};
const RATE_MS = 50;
const PATIENCE_MS = 6_000;
const tight: Policy = {
  ...policy,
  budgets: { system: { cpu_ms_per_s: RATE_MS, patience_ms: PATIENCE_MS, resume_after_ms: 60_000 } },
};
const busy: TestCapsule = {
  manifest: manifestOf("test.busy", { capabilities: { provides: ["test.busy"] } }),
  spec: { "spec/schema.json": { $defs: { "test.busy.next.input": { type: "number" } } } },
};

/** Everything the manifest says is in JavaScript runs as this program, and what was opened is remembered. */
function running(program: Uint8Array): { readonly sandbox: Sandbox; readonly opened: SandboxInstance[] } {
  const native = openProcessSandbox(nativeExecutor, { wallOf: walls.wallOf });
  const { image, entry, language } = nativeSpec(program);
  const opened: SandboxInstance[] = [];
  return {
    opened,
    sandbox: {
      async open(spec) {
        const turnMs = { ...spec.limits, turnMs: 5_000 };
        const given = { ...spec, image, entry, language, limits: turnMs, confinement: CONFINEMENT };
        const instance = await native.open(given);
        opened.push(instance);
        return instance;
      },
      [Symbol.asyncDispose]: () => native[Symbol.asyncDispose](),
    },
  };
}

/** Of the processes behind the wall, the innermost: the capsule. */
function stateOf(family: readonly number[]): string {
  const stat = readFileSync(`/proc/${family.at(-1)}/stat`, "utf8");
  return stat.slice(stat.lastIndexOf(")") + 2, stat.lastIndexOf(")") + 3);
}

async function familyIn([first]: readonly SandboxInstance[]): Promise<readonly number[]> {
  assert.ok(first !== undefined);
  return familyOf((await first.meters()).host.pid);
}

/** A signal has come once every thread has looked. */
async function stands(family: readonly number[]): Promise<void> {
  for (let look = 0; look < 300 && stateOf(family) !== "T"; look++) await pause();
  assert.equal(stateOf(family), "T");
}

/** Of a call that waits for as long as it takes, in node time. */
async function answerOf({ node, clock }: TestNode, input: number): Promise<unknown> {
  const asked = node.call("test.busy", "next", input, 600_000);
  let isAnswered = false;
  void asked.then(() => {
    isAnswered = true;
  });
  await pause();
  while (!isAnswered) {
    clock.advance(100);
    await pause();
  }
  return await asked;
}

const pause = (): Promise<void> => new Promise((resume) => setTimeout(resume, 10));

test("a process that is busy on its own account rests, is suspended and ended, and goes on (U1, U3)", {
  skip,
}, async () => {
  const { sandbox, opened } = running(compile(SPINNING, ["-O1", "-pthread"]));
  const run = await bootTestNode({ capsules: [busy], parts: { policy: tight, sandbox } });
  const { node, clock } = run;
  const state = async (): Promise<unknown> => (await node.status()).capsules[0]?.state;
  const family = await familyIn(opened);
  assert.equal(await state(), "active");
  /** Waits until it has really used so much more, or stands still after all. */
  const spun = async (ms: number): Promise<void> => {
    const before = usageOf(family).cpuMs;
    while (usageOf(family).cpuMs < before + ms && stateOf(family) !== "T") await pause();
  };
  const advance = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 100) {
      clock.advance(100);
      await run.settle();
    }
  };

  // The reading that has the start turn in it says nothing of what it does without one.
  await advance(1_000);
  await spun(5 * RATE_MS);
  await advance(1_100);
  assert.equal((await node.status()).counters["capsule.slowed"], 1);
  await stands(family);
  const resting = usageOf(family).cpuMs;
  for (let look = 0; look < 20; look++) await pause();
  assert.equal(usageOf(family).cpuMs, resting);

  // Its debt is paid after some seconds, and it goes on by itself, over its rate as before.
  let rests = 1;
  for (let second = 0; second < 60 && (await state()) === "active"; second++) {
    if (stateOf(family) !== "T") {
      rests += 1;
      await spun(5 * RATE_MS);
    }
    await advance(1_000);
  }
  assert.ok(rests > 1, `it rested ${rests} times`);
  const { capsules } = await node.status();
  assert.deepEqual([capsules[0]?.state, capsules[0]?.reason], ["suspended", "CAPSULE_OVER_BUDGET"]);
  const told = (await node.inspect("test.busy")) as never as { budget: { over: { by: string } } };
  assert.equal(told.budget.over.by, "cpu");
  while (usageOf(family).threads > 0) await pause();

  const refused = await node.call("test.busy", "next", 41, 600_000);
  assert.equal(refused.ok ? "" : refused.code, "CAPSULE_SUSPENDED");
  await node.resume("test.busy");
  assert.equal(await state(), "active");
  // It spins again already, so this may have to wait.
  assert.deepEqual(await answerOf(run, 41), { ok: true, value: 42 });
  assert.equal(opened.length, 2);
  await node[Symbol.asyncDispose]();
});

test("one that rests is given its turn when its debt is paid", { skip }, async () => {
  const { sandbox, opened } = running(compile(SPINNING, ["-O1", "-pthread"]));
  const run = await bootTestNode({ capsules: [busy], parts: { policy: tight, sandbox } });
  const { node, clock } = run;
  const family = await familyIn(opened);
  for (let step = 0; step < 22; step++) {
    const before = usageOf(family).cpuMs;
    while (stateOf(family) !== "T" && usageOf(family).cpuMs < before + RATE_MS) await pause();
    clock.advance(100);
    await run.settle();
  }
  await stands(family);
  assert.deepEqual(await answerOf(run, 1), { ok: true, value: 2 });
  await node[Symbol.asyncDispose]();
});
