/** A module's outside is read from its bytes, and what could not be run or bounded is refused by name before it is opened. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseWasm } from "../src/admission/wasm-binary.ts";
import { importedPages, wasmProblems } from "../src/admission/wasm-check.ts";
import { wat } from "../drivers/wasm/test/modules.ts";

const FILE = "impl/main.wasm";
const MEMORY = '(memory (export "memory") 1 16)';
const DELIVER = '(func (export "deliver") (param i32))';

const codes = (text: string, memoryMb = 32): string[] =>
  wasmProblems(wat(`(module ${text})`), FILE, memoryMb).map(({ code }) => code);

test("imports, exports, memories, tables and the start function are read", () => {
  const parsed = parseWasm(
    wat(`(module (import "vnes" "get" (func (param i32 i32) (result i32))) (import "env" "memory" (memory 2 300))
      (table 3 7 funcref) (func $f (export "deliver") (param i32)) (func $s) (start $s)
      (global (export "g") i32 (i32.const 0)))`),
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
        for (const { code, details } of wasmProblems(changed, FILE, 32)) {
          assert.match(code, /^WASM_/);
          assert.equal(details["file"], FILE);
        }
      },
    ),
    { numRuns: 2_000 },
  );
  fc.assert(fc.property(fc.uint8Array(), (bytes) => wasmProblems(bytes, FILE, 32).length > 0));
  // A count that would take for ever to read.
  const many = new Uint8Array([...module.slice(0, 8), 1, 6, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x60]);
  assert.equal(wasmProblems(many, FILE, 32)[0]?.code, "WASM_MODULE_BROKEN");
});
