/** Python capsules for tests: written as text, with the sdk beside them as an author has it. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { CapsuleImage, SandboxLimits, SandboxSpec } from "@vnes/kernel";

export const SDK: Buffer = readFileSync(new URL("../../../../sdk/python/vnes.py", import.meta.url));
export const LIMITS: SandboxLimits = {
  memoryMb: 32,
  turnMs: 500,
  cacheBytes: 1_000_000,
  effectBytes: 65_536,
};

export function imageOf(files: { readonly [path: string]: string | Uint8Array }): CapsuleImage {
  const hash = (bytes: Uint8Array): `sha256:${string}` =>
    `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  return {
    hash: hash(new TextEncoder().encode(JSON.stringify(Object.keys(files)))),
    files: Object.entries(files).map(([path, text]) => {
      const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
      return { path, bytes, executable: false, sha256: hash(bytes) };
    }),
  };
}

/** `source` is `impl/main.py`; its `run` is the entry. */
export function pythonSpec(
  source: string,
  {
    group = "test",
    instance = "test.capsule/0",
    entry = "impl.main:run",
    limits = {},
    files = {},
  }: {
    group?: string;
    instance?: string;
    entry?: string;
    limits?: Partial<SandboxLimits>;
    files?: { readonly [path: string]: string };
  } = {},
): SandboxSpec {
  return {
    instance,
    image: imageOf({ "impl/main.py": source, "impl/vnes.py": SDK, ...files }),
    language: "python",
    entry,
    zone: "system",
    group,
    limits: { ...LIMITS, ...limits },
  };
}
