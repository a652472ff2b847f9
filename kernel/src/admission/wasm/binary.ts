/**
 * The outside of a WebAssembly module, read from its bytes: types of functions, imports, exports, memories, tables, whether it has a
 * start function; on request its instructions are walked too. Whether it is valid is left to the engine that compiles it. Total: bytes that are no
 * such module are said to be none.
 * Core specification 2.0, chapter 5; of later proposals it knows enough to name them.
 */
import { skipBody } from "./code.ts";
import { Malformed, WasmReader } from "./reader.ts";

/** `max` is null where the module declares none. Pages of 64 KiB, or elements of a table. */
export interface Limits {
  readonly min: number;
  readonly max: number | null;
  readonly shared: boolean;
  /** Addresses of 64 bits. */
  readonly wide: boolean;
}

export type ExternKind = "function" | "table" | "memory" | "global" | "tag";

export interface WasmImport {
  readonly module: string;
  readonly name: string;
  readonly kind: ExternKind;
  /** Of a function, as `typeText` has it; empty for others. */
  readonly type: string;
}

export interface WasmExport {
  readonly name: string;
  readonly kind: ExternKind;
  readonly type: string;
}

export interface WasmModule {
  readonly imports: readonly WasmImport[];
  readonly exports: readonly WasmExport[];
  /** Imported ones first. */
  readonly memories: readonly (Limits & { readonly imported: boolean })[];
  readonly tables: readonly Limits[];
  readonly start: boolean;
}

export type WasmParse =
  | { readonly ok: true; readonly module: WasmModule }
  | { readonly ok: false; readonly problem: string };

const KINDS: readonly ExternKind[] = ["function", "table", "memory", "global", "tag"];
/** Parameters, a colon, results: `i` i32, `I` i64, `f` f32, `F` f64, `v` v128, `r` a reference. */
const VALUE_TYPES: ReadonlyMap<number, string> = new Map([
  [0x7f, "i"],
  [0x7e, "I"],
  [0x7d, "f"],
  [0x7c, "F"],
  [0x7b, "v"],
  [0x70, "r"],
  [0x6f, "r"],
  [0x69, "r"],
]);
const FUNCTION_TYPE = 0x60;
const TABLE_WITH_INITIAL_VALUE = 0x40;
/** `\0asm`, version 1, little-endian. */
const HEADER = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
/**
 * V8 optimises a function while it runs, in memory that no limit of an isolate counts: one of 5 MB took 450 MB for that, one of 1 MB no more than
 * a host has anyway.
 */
const MAX_FUNCTION_BYTES = 1_048_576;
const SECTION = {
  type: 1,
  import: 2,
  function: 3,
  table: 4,
  memory: 5,
  export: 7,
  start: 8,
  code: 10,
} as const;

/** `withCode`: instructions that are not run here count as no such module; it takes some 50 ms for a megabyte of them. */
export function parseWasm(bytes: Uint8Array, withCode: boolean): WasmParse {
  try {
    return { ok: true, module: readModule(new WasmReader(bytes), withCode) };
  } catch (cause) {
    if (!(cause instanceof Malformed)) throw cause;
    return { ok: false, problem: cause.message };
  }
}

function readModule(reader: WasmReader, withCode: boolean): WasmModule {
  if (HEADER.some((byte) => reader.isAtEnd || reader.byte() !== byte))
    throw new Malformed("it does not begin as a core module of version 1 does");
  const types: string[] = [];
  const imports: WasmImport[] = [];
  const functions: string[] = [];
  const memories: (Limits & { readonly imported: boolean })[] = [];
  const tables: Limits[] = [];
  const exports: WasmExport[] = [];
  let start = false;
  const typeAt = (index: number): string => {
    const type = types[index];
    if (type === undefined) throw new Malformed(`there is no type ${index}`);
    return type;
  };
  const readers: { readonly [id: number]: (body: WasmReader) => void } = {
    [SECTION.type]: (body) => types.push(functionType(body)),
    [SECTION.import]: (body) => {
      const [module, name, kind] = [body.name(), body.name(), kindOf(body.byte())];
      let type = "";
      if (kind === "function") functions.push((type = typeAt(body.u32())));
      else if (kind === "memory") memories.push({ ...limits(body), imported: true });
      else if (kind === "table") tables.push(table(body));
      else if (kind === "global") void [valueType(body), body.byte()];
      else void [body.byte(), body.u32()];
      imports.push({ module, name, kind, type });
    },
    [SECTION.function]: (body) => functions.push(typeAt(body.u32())),
    [SECTION.table]: (body) => tables.push(table(body)),
    [SECTION.memory]: (body) => memories.push({ ...limits(body), imported: false }),
    [SECTION.export]: (body) => {
      const [name, kind, index] = [body.name(), kindOf(body.byte()), body.u32()];
      exports.push({ name, kind, type: kind === "function" ? (functions[index] ?? "") : "" });
    },
    [SECTION.code]: (body) => {
      const size = body.u32();
      if (size > MAX_FUNCTION_BYTES)
        throw new Malformed(`it has a function of ${size} bytes, at most ${MAX_FUNCTION_BYTES}`);
      const code = body.part(size);
      if (withCode) skipBody(code);
    },
  };
  while (!reader.isAtEnd) {
    const id = reader.byte();
    const body = reader.part(reader.u32());
    if (id === SECTION.start) start = true;
    const read = readers[id];
    if (read === undefined) continue;
    for (let left = body.count(); left > 0; left--) read(body);
    if (!body.isAtEnd) throw new Malformed(`section ${id} holds more than it says`);
  }
  return { imports, exports, memories, tables, start };
}

function functionType(body: WasmReader): string {
  const form = body.byte();
  if (form !== FUNCTION_TYPE)
    throw new Malformed("it declares types of the garbage collection proposal, which are not run here");
  return `${valueTypes(body)}:${valueTypes(body)}`;
}

function valueTypes(body: WasmReader): string {
  let text = "";
  for (let left = body.count(); left > 0; left--) text += valueType(body);
  return text;
}

function valueType(body: WasmReader): string {
  const type = VALUE_TYPES.get(body.byte());
  if (type === undefined) throw new Malformed("it uses a type of value that is not run here");
  return type;
}

function table(body: WasmReader): Limits {
  const first = body.byte();
  if (first === TABLE_WITH_INITIAL_VALUE || VALUE_TYPES.get(first) !== "r")
    throw new Malformed("it has a table of a kind that is not run here");
  return limits(body);
}

function limits(body: WasmReader): Limits {
  const flags = body.byte();
  if (flags > 0x07) throw new Malformed("it has a memory or table of a kind that is not run here");
  const wide = (flags & 0x04) !== 0;
  const min = wide ? body.u64() : body.u32();
  const max = (flags & 0x01) === 0 ? null : wide ? body.u64() : body.u32();
  return { min, max, shared: (flags & 0x02) !== 0, wide };
}

function kindOf(byte: number): ExternKind {
  const kind = KINDS[byte];
  if (kind === undefined) throw new Malformed(`there is no kind ${byte} of import or export`);
  return kind;
}
