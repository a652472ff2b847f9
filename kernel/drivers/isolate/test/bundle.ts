/** Capsules for tests: written as text, bundled with the sdk as the builder does it, in an image of one file. */
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import type { CapsuleImage, SandboxLimits, SandboxSpec } from "@vnes/kernel";

const ENTRY = "impl/main.js";
export const LIMITS: SandboxLimits = {
  memoryMb: 32,
  turnMs: 200,
  cacheBytes: 1_000_000,
  effectBytes: 65_536,
};

/** `source` is a module whose default export is `capsule({...})`. */
export async function bundleSource(source: string): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents: source, loader: "ts", resolveDir: fileURLToPath(new URL(".", import.meta.url)) },
    bundle: true,
    write: false,
    format: "iife",
    globalName: "capsule",
    platform: "neutral",
    target: "es2024",
    conditions: ["source"],
    tsconfigRaw: "{}",
  });
  return outputFiles[0]?.text ?? "";
}

export function imageOf(bundle: string): CapsuleImage {
  const bytes = new TextEncoder().encode(bundle);
  const sha256 = `sha256:${createHash("sha256").update(bytes).digest("hex")}` as const;
  return { hash: sha256, files: [{ path: ENTRY, bytes, executable: false, sha256 }] };
}

export function specOf(
  bundle: string,
  {
    group = "test",
    instance = "test.capsule/0",
    limits = {},
  }: { group?: string; instance?: string; limits?: Partial<SandboxLimits> } = {},
): SandboxSpec {
  return {
    instance,
    image: imageOf(bundle),
    language: "javascript",
    entry: ENTRY,
    zone: "system",
    group,
    limits: { ...LIMITS, ...limits },
  };
}
