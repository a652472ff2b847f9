/** Modules for tests: compiled from AssemblyScript or from text, each in an image with what else the capsule has. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFile, mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { CapsuleImage, SandboxLimits, SandboxSpec } from "@vnes/kernel";
import loadWabt from "wabt";

const ENTRY = "impl/main.wasm";
const SDK = fileURLToPath(new URL("../../../../sdk/assemblyscript/vnes.ts", import.meta.url));
const ASC = fileURLToPath(new URL("../../../../node_modules/assemblyscript/bin/asc.js", import.meta.url));
const COMPILE_TIMEOUT_MS = 120_000;
const run = promisify(execFile);
const wabt = await loadWabt();

export const LIMITS: SandboxLimits = {
  memoryMb: 32,
  turnMs: 200,
  cacheBytes: 1_000_000,
  effectBytes: 65_536,
};

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
  const features: object = { threads: true, memory64: true, multi_memory: true, exceptions: true };
  const module = wabt.parseWat("test.wat", text, features);
  try {
    return module.toBinary({}).buffer;
  } finally {
    module.destroy();
  }
}

export function imageOf(module: Uint8Array, files: { readonly [path: string]: string } = {}): CapsuleImage {
  const all = { [ENTRY]: module, ...files };
  const listed = Object.entries(all).map(([path, content]) => {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    return { path, bytes, executable: false, sha256: hashOf(bytes) };
  });
  return { hash: hashOf(module), files: listed };
}

export interface SpecOptions {
  readonly group?: string;
  readonly instance?: string;
  readonly limits?: Partial<SandboxLimits>;
  readonly files?: { readonly [path: string]: string };
}

export function specOf(module: Uint8Array, options: SpecOptions = {}): SandboxSpec {
  const { group = "test", instance = "test.capsule/0", limits = {}, files = {} } = options;
  return {
    instance,
    image: imageOf(module, files),
    language: "wasm",
    entry: ENTRY,
    zone: "system",
    group,
    limits: { ...LIMITS, ...limits },
  };
}

function hashOf(bytes: Uint8Array): `sha256:${string}` {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
