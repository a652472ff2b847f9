/** Capsules for tests: written as text, bundled with the sdk as the builder does it, in an image of one file. */
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import type { CapsuleImage, SandboxSpec } from "@vnes/kernel";
import {
  imageOf as imageOfFiles,
  type SpecOptions,
  specOf as specOfProgram,
} from "../../../contracts/sandbox-lab.ts";

const ENTRY = "impl/main.js";

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
  return imageOfFiles({ [ENTRY]: bundle });
}

export function specOf(bundle: string, options: SpecOptions = {}): SandboxSpec {
  return specOfProgram({ language: "javascript", entry: ENTRY, files: { [ENTRY]: bundle } }, options);
}
