/** Modules for tests: compiled from AssemblyScript or from text, each in an image with what else the capsule has. */
import { execFile } from "node:child_process";
import { copyFile, mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { CapsuleImage, SandboxInstance, SandboxSpec } from "@vnes/kernel";
import type { TurnRequest, TurnResult } from "@vnes/schemas";
import { KeyTable } from "@vnes/sdk/testing";
import loadWabt from "wabt";
import {
  imageOf as imageOfFiles,
  type SpecOptions,
  specOf as specOfProgram,
} from "../../../contracts/sandbox-lab.ts";

const ENTRY = "impl/main.wasm";
const SDK = fileURLToPath(new URL("../../../../sdk/assemblyscript/vnes.ts", import.meta.url));
const ASC = fileURLToPath(new URL("../../../../node_modules/assemblyscript/bin/asc.js", import.meta.url));
const COMPILE_TIMEOUT_MS = 120_000;
const run = promisify(execFile);
const wabt = await loadWabt();

/** As `docs/wasm.md` says to: `src/<name>.ts` of `dir`, with the sdk's file beside it, to `impl/<name>.wasm`. */
export async function compileAssembly(dir: string, name: string): Promise<void> {
  await copyFile(SDK, join(dir, "src", "vnes.ts"));
  await mkdir(join(dir, "impl"), { recursive: true });
  const flags = ["--use", "abort=src/vnes/abort", "--maximumMemory", "256", "-O"];
  await run(process.execPath, [ASC, `src/${name}.ts`, "-o", `impl/${name}.wasm`, ...flags], {
    cwd: dir,
    timeout: COMPILE_TIMEOUT_MS,
  });
}

/** One file of AssemblyScript, with the sdk. */
export async function assembly(source: URL): Promise<Uint8Array> {
  const dir = await mkdtemp(join(tmpdir(), "vnes-wasm-"));
  try {
    const name = basename(source.pathname, ".ts");
    await mkdir(join(dir, "src"));
    await copyFile(fileURLToPath(source), join(dir, "src", `${name}.ts`));
    await compileAssembly(dir, name);
    return await readFile(join(dir, "impl", `${name}.wasm`));
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** WebAssembly text. */
export function wat(text: string): Uint8Array {
  // The types of the package know fewer features than it does.
  const features: object = {
    threads: true,
    memory64: true,
    multi_memory: true,
    exceptions: true,
    tail_call: true,
  };
  const module = wabt.parseWat("test.wat", text, features);
  try {
    return module.toBinary({}).buffer;
  } finally {
    module.destroy();
  }
}

export function imageOf(module: Uint8Array, files: { readonly [path: string]: string } = {}): CapsuleImage {
  return imageOfFiles({ [ENTRY]: module, ...files });
}

export interface ModuleOptions extends SpecOptions {
  /** Beside the module. */
  readonly files?: { readonly [path: string]: string };
}

export function specOf(module: Uint8Array, { files = {}, ...options }: ModuleOptions = {}): SandboxSpec {
  return specOfProgram({ language: "wasm", entry: ENTRY, files: { [ENTRY]: module, ...files } }, options);
}

/** Where the method begins in the delivery of a call of `t.<method>`. */
const METHOD_AT = '{"kind":"call","callId":"c0000","capability":"t","method":"'.length;

export interface Watch {
  /** Imports and whatever else goes before functions. */
  readonly head?: string;
  readonly memory?: string;
  /** Functions, globals, data. */
  readonly more?: string;
}

/**
 * A module in text that runs `go` for the call `t.go` and replies `1`; any other call is replied `1` alone. `go` may return early. The
 * delivery lies at 0; from 1024 on there is room.
 */
export function watModule(go: string, { head = "", memory, more = "" }: Watch = {}): Uint8Array {
  return wat(`(module
    (import "vnes" "take" (func $take (param i32)))
    (import "vnes" "reply" (func $reply (param i32 i32)))
    ${head}
    (memory ${memory ?? '(export "memory") 2 256'})
    (data (i32.const 1020) "1")
    ${more}
    (func $go (local $i i32) (local $j i32) ${go})
    (func (export "deliver") (param $length i32)
      (call $take (i32.const 0))
      (if (i32.eq (i32.load8_u (i32.const ${METHOD_AT})) (i32.const 103)) (then (call $go)))
      (call $reply (i32.const 1020) (i32.const 1))))`);
}

/** `done`, or the code of the failure; keys are given as a kernel gives them. */
export async function endOf(instance: SandboxInstance, request: TurnRequest): Promise<string> {
  const result = await finish(instance, request);
  return result.kind === "failed" ? result.code : result.kind;
}

export async function finish(
  instance: SandboxInstance,
  request: TurnRequest,
): Promise<Exclude<TurnResult, { kind: "needKeys" }>> {
  const keys = new KeyTable();
  let asked = request;
  while (true) {
    const [result] = (await instance.deliver([asked])) as [TurnResult];
    if (result.kind !== "needKeys") return result;
    asked = keys.serve(asked, result);
  }
}
