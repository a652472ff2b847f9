/** What is opened and what is not, and what of an instance outlives a turn. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { tmpdir } from "node:os";
import { after, test } from "node:test";
import { openHostSandbox } from "@vnes/driver-sandbox";
import type { SandboxInstance } from "@vnes/kernel";
import { isVnesError, type TurnResult } from "@vnes/schemas";
import { wasmExecutor } from "../src/index.ts";
import { callOf } from "../../../contracts/sandbox-lab.ts";
import { endOf, finish, type ModuleOptions, specOf, type Watch, wat, watModule } from "./modules.ts";

const MEGABYTE = 1024 * 1024;
const DELIVER = '(func (export "deliver") (param i32))';
const MEMORY = '(memory (export "memory") 1 16)';

const sandbox = openHostSandbox(wasmExecutor);
after(() => sandbox[Symbol.asyncDispose]());

async function refusal(module: Uint8Array, options: ModuleOptions = {}): Promise<string> {
  const error: unknown = await sandbox.open(specOf(module, options)).catch((cause: unknown) => cause);
  assert.ok(isVnesError(error), "it was opened");
  assert.equal(error.code, "SANDBOX_BUNDLE_BROKEN");
  return error.message;
}

async function open(go: string, watch: Watch = {}, options: ModuleOptions = {}): Promise<SandboxInstance> {
  return await sandbox.open(specOf(watModule(go, watch), options));
}

function answered(result: TurnResult | undefined): unknown {
  const effects = result?.kind === "done" ? result.effects : [];
  const answer = effects.find((effect) => effect.do === "answer")?.answer;
  return answer?.ok === true ? answer.value : JSON.stringify(result);
}

test("what admission would refuse is refused at open too, with the limits of the instance", async () => {
  const refused: [text: string, code: string][] = [
    [`(module (memory (export "memory") 1) ${DELIVER})`, "WASM_MEMORY_UNBOUNDED"],
    [`(module (memory (export "memory") 1 1024) ${DELIVER})`, "WASM_MEMORY_TOO_LARGE: .*64 MB"],
    [`(module (import "vnes" "fly" (func)) ${MEMORY} ${DELIVER})`, "WASM_IMPORT_UNKNOWN: .*vnes.fly"],
    [`(module ${MEMORY})`, "WASM_EXPORT_MISSING: .*deliver"],
  ];
  for (const [text, code] of refused) assert.match(await refusal(wat(text)), new RegExp(code));
  assert.match(await refusal(new Uint8Array([1, 2, 3])), /WASM_MODULE_BROKEN/);
  const large = wat(`(module (memory (export "memory") 1 512) ${DELIVER})`);
  assert.match(await refusal(large, { limits: { memoryMb: 31 } }), /WASM_MEMORY_TOO_LARGE/);
  await (await sandbox.open(specOf(large, { limits: { memoryMb: 32 } }))).dispose();
});

test("a module that does not compile or is not set up is refused with the reason, and its host stays", async () => {
  const neighbour = await open("", {}, { group: "setting up" });
  const { pid } = (await neighbour.meters()).host;
  const vnes = '(import "vnes" "later" (func $later))';
  const exit = '(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))';
  const broken: [text: string, reason: RegExp][] = [
    [`(module ${MEMORY} ${DELIVER} (func $s unreachable) (start $s))`, /unreachable/],
    [`(module ${MEMORY} ${DELIVER} (func $s (loop $l (br $l))) (start $s))`, /timed out/],
    [`(module ${vnes} ${MEMORY} ${DELIVER} (func $s (call $later)) (start $s))`, /being set up/],
    [`(module ${vnes} ${MEMORY} ${DELIVER} (func (export "_initialize") (call $later)))`, /being set up/],
    [
      `(module ${exit} ${MEMORY} ${DELIVER} (func (export "_initialize") (call $exit (i32.const 0))))`,
      /proc_exit/,
    ],
    [`(module ${MEMORY} ${DELIVER} (data (i32.const 65536) "beyond"))`, /data segment/],
  ];
  for (const [text, reason] of broken)
    assert.match(await refusal(wat(text), { group: "setting up" }), reason);
  const cut = watModule("").slice(0, -4);
  assert.match(await refusal(cut, { group: "setting up" }), /WASM_MODULE_BROKEN|unexpected|expected/);
  assert.equal((await neighbour.meters()).host.pid, pid);
});

const COUNT = `(global $n (mut i32) (i32.const 48))`;
const COUNTED = `(global.set $n (i32.add (global.get $n) (i32.const 1))) (i32.store8 (i32.const 1020) (global.get $n))`;

test("a variable outlives a turn that ended well, and no other end of one (G1)", async () => {
  const one = await open(`${COUNTED} (if (i32.eq (global.get $n) (i32.const 51)) (then unreachable))`, {
    more: COUNT,
  });
  const ends: unknown[] = [];
  for (let turn = 0; turn < 5; turn++) {
    const result = await finish(one, callOf("go"));
    ends.push(result.kind === "failed" ? result.code : answered(result));
  }
  assert.deepEqual(ends, [1, 2, "TURN_HANDLER_THREW", 1, 2]);
  await one.reset();
  assert.equal(answered(await finish(one, callOf("go"))), 1);
});

test("a turn that misses a key is run again from its beginning in a new instance (G1)", async () => {
  const one = await open(`${COUNTED} (drop (call $get (i32.const 1020) (i32.const 1)))`, {
    head: '(import "vnes" "get" (func $get (param i32 i32) (result i32)))',
    more: COUNT,
  });
  const request = callOf("go");
  const [asked] = await one.deliver([request]);
  assert.deepEqual(asked?.kind === "needKeys" && asked.keys, ["1"]);
  assert.equal(answered((await one.deliver([{ ...request, keys: [["1"]] }]))[0]), 1);
});

test("a module that imports WASI has a new instance for every turn (G2)", async () => {
  const one = await open(COUNTED, {
    head: '(import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))',
    more: COUNT,
  });
  for (let turn = 0; turn < 3; turn++) assert.equal(answered(await finish(one, callOf("go"))), 1);
});

test("a turn that catches a missing key changes nothing until it has it", async () => {
  const one = await open(
    `(try (do (drop (call $get (i32.const 1020) (i32.const 1))))
      (catch_all (call $set (i32.const 1020) (i32.const 1) (i32.const 1020) (i32.const 1) (i32.const 0) (i32.const 0))))`,
    {
      head: `(import "vnes" "get" (func $get (param i32 i32) (result i32)))
        (import "vnes" "set" (func $set (param i32 i32 i32 i32 i32 i32)))`,
    },
  );
  const request = callOf("go");
  assert.equal((await one.deliver([request]))[0]?.kind, "needKeys");
  const [done] = await one.deliver([{ ...request, keys: [["1"]] }]);
  assert.deepEqual(done?.kind === "done" && done.effects.map((effect) => effect.do), ["answer"]);
});

test("an imported memory is given, with the instance's limit for its maximum", async () => {
  const grow = `(i32.store8 (i32.const 1020) (i32.add (i32.const 48)
    (i32.eq (i32.const -1) (memory.grow (i32.const 500)))))`;
  const text = (head: string): Uint8Array =>
    wat(`(module (import "vnes" "take" (func $take (param i32))) (import "vnes" "reply" (func $reply (param i32 i32)))
      ${head} (func (export "deliver") (param i32) (call $take (i32.const 0))
      ${grow} (call $reply (i32.const 1020) (i32.const 1))))`);
  for (const [memoryMb, value] of [
    [32, 0],
    [31, 1],
  ] as const) {
    const one = await sandbox.open(
      specOf(text('(import "env" "memory" (memory 2))'), { limits: { memoryMb } }),
    );
    assert.equal(answered(await finish(one, callOf("go"))), value);
  }
  assert.match(await refusal(text('(import "env" "memory" (memory 600))')), /WASM_MEMORY_TOO_LARGE/);
});

test("meters count the memory of the module", async () => {
  const one = await open("(drop (memory.grow (i32.const 160)))");
  const before = (await one.meters()).memoryBytes;
  assert.equal(await endOf(one, callOf("go")), "done");
  const { memoryBytes } = await one.meters();
  assert.ok(memoryBytes - before > 8 * MEGABYTE, `${before}, then ${memoryBytes}`);
});

test("a looping turn fails alone: those before it are kept, those behind it come again", async () => {
  const one = await open("(loop $l (br $l))");
  const results = await one.deliver([callOf("ok"), callOf("ok"), callOf("go"), callOf("ok")]);
  assert.deepEqual(
    results.map((result) => (result.kind === "failed" ? result.code : result.kind)),
    ["done", "done", "TURN_DEADLINE", "needKeys"],
  );
  assert.equal(await endOf(one, callOf("ok")), "done");
});

test("the adapter's script is the same wherever it is bundled", () => {
  const script = new URL("../src/adapter-script.ts", import.meta.url).href;
  const code = `import { adapterScript } from ${JSON.stringify(script)}; process.stdout.write(adapterScript());`;
  const [here, elsewhere] = [process.cwd(), tmpdir()].map((cwd) =>
    execFileSync(process.execPath, ["--conditions=source", "--input-type=module", "-e", code], {
      cwd,
    }).toString(),
  );
  assert.equal(elsewhere, here);
  assert.doesNotMatch(elsewhere ?? "", /kernel\/drivers|\.ts\b/);
});
