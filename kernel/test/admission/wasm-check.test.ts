/** A module's outside is read from its bytes, and what could not be run or bounded is refused by name before it is opened. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseWasm } from "../../src/admission/wasm/binary.ts";
import { importedPages, wasmProblems } from "../../src/admission/wasm/check.ts";
import { wat } from "../../drivers/wasm/test/modules.ts";

const FILE = "impl/main.wasm";
const MEMORY = '(memory (export "memory") 1 16)';
const DELIVER = '(func (export "deliver") (param i32))';

const codes = (text: string, memoryMb = 32): string[] =>
  wasmProblems(wat(`(module ${text})`), FILE, memoryMb, true).map(({ code }) => code);

test("imports, exports, memories, tables and the start function are read", () => {
  const parsed = parseWasm(
    wat(`(module (import "vnes" "get" (func (param i32 i32) (result i32))) (import "env" "memory" (memory 2 300))
      (table 3 7 funcref) (func $f (export "deliver") (param i32)) (func $s) (start $s)
      (global (export "g") i32 (i32.const 0)))`),
    true,
  );
  assert.ok(parsed.ok);
  const { imports, exports, memories, tables, start } = parsed.module;
  assert.deepEqual(imports, [
    { module: "vnes", name: "get", kind: "function", type: "ii:i" },
    { module: "env", name: "memory", kind: "memory", type: "" },
  ]);
  assert.deepEqual(exports, [
    { name: "deliver", kind: "function", type: "i:" },
    { name: "g", kind: "global", type: "" },
  ]);
  assert.deepEqual(memories, [{ min: 2, max: 300, shared: false, wide: false, imported: true }]);
  assert.deepEqual(tables, [{ min: 3, max: 7, shared: false, wide: false }]);
  assert.equal(start, true);
});

test("a module that fits has nothing against it", () => {
  assert.deepEqual(codes(MEMORY + DELIVER), []);
  assert.deepEqual(codes(`${MEMORY} ${DELIVER} (func (export "_initialize")) (table 1 1 funcref)`), []);
  assert.deepEqual(
    codes(`(import "wasi_snapshot_preview1" "sched_yield" (func (result i32))) ${MEMORY} ${DELIVER}`),
    [],
  );
  assert.deepEqual(codes(`(import "env" "memory" (memory 1)) ${DELIVER}`), []);
});

const REFUSED: readonly [name: string, text: string, code: string, memoryMb?: number][] = [
  ["no memory", DELIVER, "WASM_MEMORY_KIND"],
  ["memory without a maximum", `(memory (export "memory") 1) ${DELIVER}`, "WASM_MEMORY_UNBOUNDED"],
  ["memory larger than allowed", `(memory (export "memory") 1 513) ${DELIVER}`, "WASM_MEMORY_TOO_LARGE"],
  ["as much as a smaller limit allows not", `${MEMORY} ${DELIVER}`, "WASM_MEMORY_TOO_LARGE", 0.5],
  [
    "imported memory that begins too large",
    `(import "env" "memory" (memory 513)) ${DELIVER}`,
    "WASM_MEMORY_TOO_LARGE",
  ],
  ["shared memory", `(memory (export "memory") 1 2 shared) ${DELIVER}`, "WASM_MEMORY_KIND"],
  ["memory of 64-bit addresses", `(memory (export "memory") i64 1 2) ${DELIVER}`, "WASM_MEMORY_KIND"],
  ["two memories", `${MEMORY} (memory 1 2) ${DELIVER}`, "WASM_MEMORY_KIND"],
  ["a table without a maximum", `${MEMORY} (table 1 funcref) ${DELIVER}`, "WASM_TABLE_UNBOUNDED"],
  [
    "tables that are large together",
    `${MEMORY} (table 1 40000 funcref) (table 1 40000 funcref) ${DELIVER}`,
    "WASM_TABLE_UNBOUNDED",
  ],
  ["an unknown function", `(import "vnes" "fly" (func)) ${MEMORY} ${DELIVER}`, "WASM_IMPORT_UNKNOWN"],
  [
    "a function of another type",
    `(import "vnes" "get" (func (param i32))) ${MEMORY} ${DELIVER}`,
    "WASM_IMPORT_UNKNOWN",
  ],
  ["an unknown module", `(import "env" "abort" (func)) ${MEMORY} ${DELIVER}`, "WASM_IMPORT_UNKNOWN"],
  [
    "a name every object has",
    `(import "constructor" "name" (func)) ${MEMORY} ${DELIVER}`,
    "WASM_IMPORT_UNKNOWN",
  ],
  [
    "a member every object has",
    `(import "vnes" "constructor" (func)) ${MEMORY} ${DELIVER}`,
    "WASM_IMPORT_UNKNOWN",
  ],
  [
    "an imported table",
    `(import "env" "table" (table 1 2 funcref)) ${MEMORY} ${DELIVER}`,
    "WASM_IMPORT_UNKNOWN",
  ],
  ["an imported global", `(import "env" "g" (global i32)) ${MEMORY} ${DELIVER}`, "WASM_IMPORT_UNKNOWN"],
  ["no deliver", MEMORY, "WASM_EXPORT_MISSING"],
  ["deliver of another type", `${MEMORY} (func (export "deliver") (param i64))`, "WASM_EXPORT_MISSING"],
  ["a memory it does not export", `(memory 1 2) ${DELIVER}`, "WASM_EXPORT_MISSING"],
  [
    "an odd _initialize",
    `${MEMORY} ${DELIVER} (func (export "_initialize") (param i32))`,
    "WASM_EXPORT_MISSING",
  ],
];

for (const [name, text, code, memoryMb] of REFUSED) {
  test(`${name} is refused with ${code}`, () => assert.deepEqual(codes(text, memoryMb), [code]));
}

test("an imported memory gets the limit for its maximum, or less where it says less", () => {
  const pages = (limits: string): unknown =>
    importedPages(wat(`(module (import "env" "memory" (memory ${limits})))`), 2);
  assert.deepEqual(pages("1"), { initial: 1, maximum: 32 });
  assert.deepEqual(pages("1 20"), { initial: 1, maximum: 20 });
  assert.deepEqual(pages("1 40"), { initial: 1, maximum: 32 });
  assert.equal(importedPages(wat(`(module ${MEMORY})`), 2), undefined);
});

test("every instruction of WebAssembly 2.0, tail calls and exceptions are walked to the end of the body", () => {
  const body = `(block (result i32) (i32.const -2147483648)) (drop)
    (loop (br_if 0 (i32.const 0))) (if (i32.const 1) (then nop) (else nop))
    (block (block (br_table 0 1 0 (i32.const 0)))) (drop (i64.const -9223372036854775808)) (drop (f32.const nan)) (drop (f64.const -0))
    (drop (select (i32.const 1) (i32.const 2) (i32.const 0))) (drop (select (result i64) (i64.const 1) (i64.const 2) (i32.const 0)))
    (drop (i32.load16_s offset=70000 align=1 (i32.const 0))) (i64.store32 (i32.const 0) (i64.const 1)) (drop (memory.size))
    (memory.init 0 (i32.const 0) (i32.const 0) (i32.const 0)) (data.drop 0) (memory.copy (i32.const 0) (i32.const 0) (i32.const 0))
    (drop (table.get 0 (i32.const 0))) (table.set 0 (i32.const 0) (ref.func $f)) (drop (table.size 0)) (drop (ref.is_null (ref.null func)))
    (table.fill 0 (i32.const 0) (ref.null func) (i32.const 0)) (call_indirect (type $t) (i32.const 0)) (drop (i32.trunc_sat_f64_u (f64.const 1)))
    (drop (i32.extend8_s (i32.const 1))) (drop (v128.const i32x4 1 2 3 4)) (drop (v128.load8_lane 3 (i32.const 0) (v128.const i64x2 0 0)))
    (drop (i8x16.shuffle 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 (v128.const i64x2 0 0) (v128.const i64x2 0 0)))
    (drop (f64x2.extract_lane 1 (v128.const i64x2 0 0))) (drop (v128.load32_zero (i32.const 0))) (drop (f64x2.sqrt (v128.const i64x2 0 0)))
    (try (do (throw $e)) (catch $e) (catch_all (rethrow 0))) return_call $f`;
  const text = `(type $t (func)) (tag $e) ${MEMORY} (table 1 1 funcref) (data "x") (elem declare func $f) (func $f ${body}) ${DELIVER}`;
  assert.deepEqual(codes(text), []);
});

test("instructions of relaxed SIMD, threads and garbage collection are refused by name", () => {
  const base = wat(`(module ${MEMORY} (func nop nop nop nop) ${DELIVER})`);
  const at = Buffer.from(base).indexOf(Buffer.from([1, 1, 1, 1, 0x0b]));
  assert.ok(at > 0);
  for (const [bytes, word] of [
    [[0xfd, 0x80, 0x02, 1], /relaxed SIMD/],
    [[0xfe, 0x03, 0x00, 1], /threads/],
    [[0xfb, 0x1c, 1, 1], /garbage collection/],
    [[0x14, 0, 1, 1], /0x14/],
    [[0x02, 0x63, 0, 1], /typed references/],
  ] as const) {
    const changed = base.slice();
    changed.set(bytes, at);
    const [problem] = wasmProblems(changed, FILE, 32, true);
    assert.equal(problem?.code, "WASM_MODULE_BROKEN");
    assert.match(JSON.stringify(problem.details), word);
  }
});

test("a function that takes long to optimise is refused by its size, at open too", () => {
  const nops = (count: number): string => `${MEMORY} ${DELIVER} (func ${"nop ".repeat(count)})`;
  assert.deepEqual(codes(nops(1_000_000)), []);
  assert.deepEqual(codes(nops(1_100_000)), ["WASM_MODULE_BROKEN"]);
  const [problem] = wasmProblems(wat(`(module ${nops(1_100_000)})`), FILE, 32, false);
  assert.match(JSON.stringify(problem), /a function of 1100002 bytes, at most 1048576/);
});

test("any bytes are judged, and nothing is thrown", () => {
  const module = wat(
    `(module (import "vnes" "get" (func (param i32 i32) (result i32))) ${MEMORY} (table 3 7 funcref) ${DELIVER})`,
  );
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(module.length - 1), fc.nat(255)), { maxLength: 6 }),
      fc.nat(module.length),
      (changes, length) => {
        const changed = module.slice(0, length);
        for (const [at, byte] of changes) if (at < changed.length) changed[at] = byte;
        for (const { code, details } of wasmProblems(changed, FILE, 32, true)) {
          assert.match(code, /^WASM_/);
          assert.equal(details["file"], FILE);
        }
      },
    ),
    { numRuns: 2_000 },
  );
  fc.assert(fc.property(fc.uint8Array(), (bytes) => wasmProblems(bytes, FILE, 32, true).length > 0));
  // A count that would take for ever to read.
  const many = new Uint8Array([...module.slice(0, 8), 1, 6, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x60]);
  assert.equal(wasmProblems(many, FILE, 32, true)[0]?.code, "WASM_MODULE_BROKEN");
});
