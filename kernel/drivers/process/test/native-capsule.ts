/** Native capsules for tests: C, compiled with the sdk's header by the machine's own compiler. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { SandboxLimits, SandboxSpec } from "@vnes/kernel";
import { imageOf, LIMITS } from "./python-capsule.ts";

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

export function nativeSpec(
  program: Uint8Array,
  {
    group = "test",
    instance = "test.capsule/0",
    limits = {},
  }: { group?: string; instance?: string; limits?: Partial<SandboxLimits> } = {},
): SandboxSpec {
  return {
    instance,
    image: imageOf({ "impl/main": program }),
    language: "native",
    entry: "impl/main",
    zone: "system",
    group,
    limits: { ...LIMITS, ...limits },
  };
}
