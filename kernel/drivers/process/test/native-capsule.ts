/** Native capsules for tests: C, compiled with the sdk's header by the machine's own compiler. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { SandboxSpec } from "@vnes/kernel";
import { type SpecOptions, specOf } from "../../../contracts/sandbox-lab.ts";

const TURN_MS = 500;
const SDK = fileURLToPath(new URL("../../../../sdk/c", import.meta.url));
const WARNINGS = ["-Wall", "-Wextra", "-Wshadow", "-pedantic", "-Werror"];

/** The executable. */
export function compile(source: string, flags: readonly string[] = ["-O2"]): Uint8Array {
  const dir = mkdtempSync(join(tmpdir(), "vnes-cc-"));
  try {
    const out = join(dir, "main");
    writeFileSync(`${out}.c`, source);
    const args = [...WARNINGS, ...flags, "-I", SDK, "-o", out, `${out}.c`];
    const { status, stderr, error } = spawnSync("cc", args, { encoding: "utf8" });
    if (status !== 0) throw new Error(`cc: ${error?.message ?? stderr}`);
    return readFileSync(out);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

export function nativeSpec(program: Uint8Array, options: SpecOptions = {}): SandboxSpec {
  const files = { "impl/main": program };
  const limits = { turnMs: TURN_MS, ...options.limits };
  return specOf({ language: "native", entry: "impl/main", files }, { ...options, limits });
}
