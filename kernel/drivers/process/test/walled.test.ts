/** Capsules that are processes, behind the wall of namespaces: they run as elsewhere, and find nothing of the machine. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { openWalls } from "@vnes/driver-confine";
import type { Confinement, SandboxInstance } from "@vnes/kernel";
import { nativeExecutor, openProcessSandbox, pythonExecutor } from "../src/index.ts";
import { compile, nativeSpec } from "./native-capsule.ts";
import { pythonSpec } from "./python-capsule.ts";
import { callOf, told, valueOf } from "../../../contracts/sandbox-lab.ts";

const CONFINEMENT: Confinement = {
  zone: "ephemeral",
  wall: "namespaces",
  sharedBy: "test",
  memoryMb: 128,
  pids: 8,
  cpuPercent: 100,
  nice: 1,
  openFiles: 32,
  scratchMb: 0,
  messageMb: 8,
  network: "none",
  devices: "none",
  reads: "program",
};
const { platform, wallOf } = await openWalls();
const skip = platform.lacks.map(({ part, found }) => `${part}: ${found}`)[0] ?? false;

const PYTHON = `import io, random
from .vnes import Capsule
run = Capsule()
@run.call("t.ok")
def ok(turn, input):
    return input
@run.call("t.loop")
def loop(turn, input):
    while True: pass
@run.call("t.clock")
def clock(turn, input):
    import datetime
    return datetime.datetime.now().isoformat()
`;

const NATIVE = `#define VNES_IMPLEMENTATION
#include "vnes.h"
#include <fcntl.h>
#include <sys/socket.h>
#define CALL(name) static vnes_value *name(vnes_turn *turn, const vnes_value *input, const vnes_call_info *info)
CALL(ok) { (void)turn, (void)info; return (vnes_value *)input; }
CALL(loop) { (void)turn, (void)info, (void)input; while (true) { } return NULL; }
CALL(reads) { (void)info; return vnes_new_boolean(turn, open(vnes_text(input), O_RDONLY) >= 0); }
CALL(connects) { (void)info, (void)input; return vnes_new_boolean(turn, socket(AF_INET, SOCK_STREAM, 0) >= 0); }
static const vnes_call_handler calls[] = {{"t.ok", ok}, {"t.loop", loop}, {"t.reads", reads}, {"t.connects", connects}, {NULL, NULL}};
int main(void) { static const vnes_handlers handlers = {.calls = calls}; return vnes_serve(&handlers); }
`;

async function works(one: SandboxInstance): Promise<void> {
  const results = await one.deliver([callOf("ok", 1), callOf("loop"), callOf("ok", 2)]);
  assert.deepEqual(told(results), ["done", "TURN_DEADLINE", "needKeys"]);
  assert.deepEqual(told(await one.deliver([callOf("ok", 2)])), ["done"]);
  const { memoryBytes, bytes } = await one.meters();
  assert.ok(memoryBytes > 0 && bytes > 0);
}

test("a capsule in Python runs behind the wall", { skip }, async () => {
  await using sandbox = openProcessSandbox(pythonExecutor(), { wallOf });
  const one = await sandbox.open({ ...pythonSpec(PYTHON), confinement: CONFINEMENT });
  await works(one);
  assert.match(String(valueOf((await one.deliver([callOf("clock")]))[0])), /^2001-09-09T/);
});

test("a native capsule runs behind the wall and finds nothing there", { skip }, async () => {
  await using sandbox = openProcessSandbox(nativeExecutor, { wallOf });
  const one = await sandbox.open({ ...nativeSpec(compile(NATIVE)), confinement: CONFINEMENT });
  await works(one);
  const files = ["/etc/passwd", import.meta.filename, "/usr/bin/python3", "/root/.bashrc"];
  assert.ok(readFileSync(files[0] as string).length > 0);
  const reads = await one.deliver(files.map((file) => callOf("reads", file)));
  assert.deepEqual(reads.map(valueOf), [false, false, false, false]);
  const reached = await one.deliver([callOf("connects")]).catch((error: { code: string }) => error.code);
  // The filter may end the process instead of refusing.
  if (typeof reached !== "string") assert.equal(valueOf(reached[0]), false);
});

test("without walls a capsule that is to be confined is refused", async () => {
  const sandbox = openProcessSandbox(pythonExecutor());
  await assert.rejects(sandbox.open({ ...pythonSpec(PYTHON), confinement: CONFINEMENT }), {
    code: "HOST_WALL_MISSING",
  });
});
