/**
 * May this module run here: its memory is bounded by what it declares, it imports only what there is, and it can be called.
 * Asked at admission with what the manifest wants, and again at open with what the instance gets.
 */
import type { ErrorDetails } from "@vnes/schemas";
import type { AdmissionCode } from "../errors.ts";
import { parseWasm, type WasmModule } from "./binary.ts";
import { DELIVER, IMPORTED_MEMORY, INITIALIZE, WASM_IMPORTS } from "./interface.ts";

const PAGE_BYTES = 65_536;
const MEGABYTE = 1024 * 1024;
/** Elements of all tables together: a compiler has one for each function whose address is taken. */
const MAX_TABLE_ELEMENTS = 65_536;
/** Told of one module: the rest would be more of the same. */
const MAX_PROBLEMS = 16;

export interface WasmProblem {
  readonly code: Extract<AdmissionCode, `WASM_${string}`>;
  readonly details: ErrorDetails;
}

/** `withCode` is admission's: what it has let pass has no other instructions when it is opened. */
export function wasmProblems(
  bytes: Uint8Array,
  file: string,
  memoryMb: number,
  withCode: boolean,
): readonly WasmProblem[] {
  const parsed = parseWasm(bytes, withCode);
  if (!parsed.ok) return [{ code: "WASM_MODULE_BROKEN", details: { file, problem: parsed.problem } }];
  const { module } = parsed;
  return [...memoryProblems(module, memoryMb), ...tableProblems(module), ...linkProblems(module)]
    .slice(0, MAX_PROBLEMS)
    .map(({ code, details }) => ({ code, details: { file, ...details } }));
}

/** For a module that imports its memory: how large it begins, how large it may become. Undefined for others. */
export function importedPages(
  bytes: Uint8Array,
  memoryMb: number,
): { readonly initial: number; readonly maximum: number } | undefined {
  const parsed = parseWasm(bytes, false);
  const memory = parsed.ok ? parsed.module.memories[0] : undefined;
  if (memory?.imported !== true) return undefined;
  const allowed = Math.floor((memoryMb * MEGABYTE) / PAGE_BYTES);
  return { initial: memory.min, maximum: Math.min(memory.max ?? allowed, allowed) };
}

function memoryProblems({ memories }: WasmModule, memoryMb: number): WasmProblem[] {
  const [memory] = memories;
  const kind = (what: string): WasmProblem[] => [{ code: "WASM_MEMORY_KIND", details: { what } }];
  if (memory === undefined) return kind("no memory");
  if (memories.length > 1) return kind("several memories");
  if (memory.shared) return kind("shared memory");
  if (memory.wide) return kind("memory of 64-bit addresses");
  // What it is given has a maximum, whether or not the import names one.
  if (memory.max === null && !memory.imported) return [{ code: "WASM_MEMORY_UNBOUNDED", details: {} }];
  const pages = memory.imported ? memory.min : (memory.max ?? memory.min);
  const most = (pages * PAGE_BYTES) / MEGABYTE;
  if (most <= memoryMb) return [];
  return [{ code: "WASM_MEMORY_TOO_LARGE", details: { most, allowed: memoryMb } }];
}

function tableProblems({ tables }: WasmModule): WasmProblem[] {
  const elements = tables.reduce((sum, { max, wide }) => sum + (wide ? Infinity : (max ?? Infinity)), 0);
  if (elements <= MAX_TABLE_ELEMENTS) return [];
  return [{ code: "WASM_TABLE_UNBOUNDED", details: { allowed: MAX_TABLE_ELEMENTS } }];
}

function linkProblems({ imports, exports, memories }: WasmModule): WasmProblem[] {
  const problems: WasmProblem[] = [];
  for (const { module, name, kind, type } of imports) {
    const functions = Object.hasOwn(WASM_IMPORTS, module) ? (WASM_IMPORTS[module] ?? {}) : {};
    const isMemory = kind === "memory" && module === IMPORTED_MEMORY.module && name === IMPORTED_MEMORY.name;
    const isFunction = kind === "function" && Object.hasOwn(functions, name) && functions[name] === type;
    if (isMemory || isFunction) continue;
    const what = kind === "function" ? `function of type ${type}` : kind;
    problems.push({ code: "WASM_IMPORT_UNKNOWN", details: { import: `${module}.${name}`, what } });
  }
  const find = (name: string) => exports.find((one) => one.name === name);
  const missing = (name: string, what: string): number =>
    problems.push({ code: "WASM_EXPORT_MISSING", details: { export: name, what } });
  if (find(DELIVER.name)?.type !== DELIVER.type) missing(DELIVER.name, "function (i32) without a result");
  const initialize = find(INITIALIZE.name);
  if (initialize !== undefined && initialize.type !== INITIALIZE.type)
    missing(INITIALIZE.name, "function without arguments and result, or none of that name");
  if (memories[0]?.imported === false && find("memory")?.kind !== "memory") missing("memory", "memory");
  return problems;
}
