/**
 * A turn of a WebAssembly capsule through a sandbox host, 64 in flight, beside extism's call of the same function through a worker:
 * about 1 KB of JSON in, its quotation marks counted, a small JSON answer out.
 */
import { openHostSandbox } from "@vnes/driver-sandbox";
import { wasmExecutor } from "@vnes/driver-wasm";
import type { SandboxInstance } from "@vnes/kernel";
import type { TurnRequest } from "@vnes/schemas";
import { callOf } from "../../kernel/contracts/sandbox-lab.ts";
import { specOf, wat } from "../../kernel/drivers/wasm/test/modules.ts";
import { requirePeer } from "./peers.ts";
import { atMost, type BenchResult, median } from "./result.ts";
import { INPUT } from "./turn-requests.ts";
import { perTurn } from "./turn-time.ts";

const IN_FLIGHT = 64;
const ROUNDS = 5;
const OPENINGS = 5;
const FURTHER_INSTANCES = 24;
const MEGABYTE = 1024 * 1024;

export const name = "wasm";

export const notMeasured: readonly string[] = [
  "the ledger: nothing is recorded, checked against schemas or released (see the bench of turns)",
  "a module that does much: both sides pay for the way there and back, and little else",
  "a wall: extism's worker is a thread of the caller's process, a sandbox host is a process of its own",
  "a core for each process: kernel, host and worker share what the machine has",
];

/** Counts the quotation marks of `length` bytes at 0 and leaves `{"q":<count>}` at 8,192: eleven bytes, spaces in front. */
const COUNT = `
  (func $count (param $length i32) (local $i i32) (local $q i32)
    (block $end (loop $next
      (br_if $end (i32.ge_u (local.get $i) (local.get $length)))
      (local.set $q (i32.add (local.get $q) (i32.eq (i32.load8_u (local.get $i)) (i32.const 34))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br $next)))
    (local.set $i (i32.const 8201))
    (loop $digit
      (i32.store8 (local.get $i) (i32.add (i32.const 48) (i32.rem_u (local.get $q) (i32.const 10))))
      (local.set $q (i32.div_u (local.get $q) (i32.const 10)))
      (local.set $i (i32.sub (local.get $i) (i32.const 1)))
      (br_if $digit (local.get $q))))
  (data (i32.const 8192) "{\\22q\\22:     }")`;

const OURS = `(module
  (import "vnes" "take" (func $take (param i32)))
  (import "vnes" "reply" (func $reply (param i32 i32)))
  (memory (export "memory") 1 16)
  ${COUNT}
  (func (export "deliver") (param $length i32)
    (call $take (i32.const 0))
    (call $count (local.get $length))
    (call $reply (i32.const 8192) (i32.const 11))))`;

const THEIRS = `(module
  (import "extism:host/env" "input_length" (func $input_length (result i64)))
  (import "extism:host/env" "input_load_u64" (func $input_load_u64 (param i64) (result i64)))
  (import "extism:host/env" "input_load_u8" (func $input_load_u8 (param i64) (result i32)))
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "store_u8" (func $store_u8 (param i64 i32)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (memory (export "memory") 1 16)
  ${COUNT}
  (func (export "handle") (result i32) (local $length i64) (local $i i64) (local $out i64)
    (local.set $length (call $input_length))
    (block $end (loop $next
      (br_if $end (i64.gt_u (i64.add (local.get $i) (i64.const 8)) (local.get $length)))
      (i64.store (i32.wrap_i64 (local.get $i)) (call $input_load_u64 (local.get $i)))
      (local.set $i (i64.add (local.get $i) (i64.const 8)))
      (br $next)))
    (block $end (loop $next
      (br_if $end (i64.ge_u (local.get $i) (local.get $length)))
      (i32.store8 (i32.wrap_i64 (local.get $i)) (call $input_load_u8 (local.get $i)))
      (local.set $i (i64.add (local.get $i) (i64.const 1)))
      (br $next)))
    (call $count (i32.wrap_i64 (local.get $length)))
    (local.set $out (call $alloc (i64.const 11)))
    (local.set $i (i64.const 0))
    (loop $next
      (call $store_u8 (i64.add (local.get $out) (local.get $i))
        (i32.load8_u (i32.add (i32.const 8192) (i32.wrap_i64 (local.get $i)))))
      (local.set $i (i64.add (local.get $i) (i64.const 1)))
      (br_if $next (i64.lt_u (local.get $i) (i64.const 11))))
    (call $output_set (local.get $out) (i64.const 11))
    (i32.const 0)))`;

/** The part of extism that is used. */
interface Extism {
  createPlugin(
    manifest: { readonly wasm: readonly { readonly data: Uint8Array }[] },
    options: { readonly useWasi: boolean; readonly runInWorker: boolean },
  ): Promise<ExtismPlugin>;
}

interface ExtismPlugin {
  call(name: string, input: string): Promise<{ json(): unknown } | null>;
  close(): Promise<void>;
}

export async function run(): Promise<readonly BenchResult[]> {
  const module = wat(OURS);
  await using sandbox = openHostSandbox(wasmExecutor);
  const firstAt = performance.now();
  const instance = await sandbox.open(specOf(module, { limits: { turnMs: 1_000 } }));
  const firstMs = performance.now() - firstAt;
  await checked(instance);

  const { createPlugin } = requirePeer("@extism/extism") as Extism;
  const manifest = { wasm: [{ data: wat(THEIRS) }] };
  const plugin = await createPlugin(manifest, { useWasi: false, runInWorker: true });
  const asked = JSON.stringify(request().delivery);
  const called = async (): Promise<void> => {
    const told = (await plugin.call("handle", asked))?.json() as { readonly q?: unknown };
    if (typeof told?.q !== "number") throw new Error(`extism answered ${JSON.stringify(told)}`);
  };
  const batched: number[] = [];
  const single: number[] = [];
  const extism: number[] = [];
  // In turns, so that a neighbour's noise meets all of them.
  for (let round = 0; round < ROUNDS; round++) {
    extism.push(
      await perTurn(IN_FLIGHT, async () => {
        for (let n = 0; n < IN_FLIGHT; n++) await called();
      }),
    );
    batched.push(
      await perTurn(IN_FLIGHT, () => instance.deliver(Array.from({ length: IN_FLIGHT }, request))),
    );
    single.push(await perTurn(1, () => instance.deliver([request()])));
  }
  await plugin.close();

  const opened: number[] = [];
  const memoryBefore = (await instance.meters()).host.memoryBytes;
  for (let index = 1; index <= FURTHER_INSTANCES; index++) {
    const startedAt = performance.now();
    const further = await sandbox.open(specOf(module, { instance: `test.capsule/${index}` }));
    opened.push(performance.now() - startedAt);
    await checked(further);
  }
  const furtherMb =
    ((await instance.meters()).host.memoryBytes - memoryBefore) / FURTHER_INSTANCES / MEGABYTE;
  // A plugin is not reentrant: its calls are made one after another, however many wait.
  const beside = {
    name: "extism's call of the same function through a worker, one at a time",
    value: median(extism),
  };
  return [
    {
      metric: `a turn of a module, ${IN_FLIGHT} in flight`,
      value: median(batched),
      unit: "µs",
      peer: beside,
      target: atMost(median(batched), beside.value, "µs"),
    },
    { metric: "a turn of a module, one at a time", value: median(single), unit: "µs", peer: beside },
    {
      metric: "first module of a process, with its host and the adapter's script",
      value: firstMs,
      unit: "ms",
    },
    {
      metric: "a further module in a running host",
      value: median(opened.slice(0, OPENINGS)),
      unit: "ms",
      target: atMost(median(opened.slice(0, OPENINGS)), 30, "ms"),
    },
    { metric: "memory of a further module, its own memory included", value: furtherMb, unit: "MB" },
  ];
}

function request(): TurnRequest {
  const base = callOf("go");
  return { ...base, delivery: { ...base.delivery, input: INPUT } as TurnRequest["delivery"] };
}

async function checked(instance: SandboxInstance): Promise<void> {
  const results = await instance.deliver(Array.from({ length: IN_FLIGHT }, request));
  const bad = results.find(({ kind }) => kind !== "done");
  if (bad !== undefined) throw new Error(`a turn did not end well: ${JSON.stringify(bad)}`);
}
