/** Images for tests: a driver's manifest and one bundle, or a capsule directory bundled as the builder does it. */
import { createHash } from "node:crypto";
import type { CapsuleImage, ImageFile } from "@vnes/kernel";
import { build } from "esbuild";

export function driverImage(bundle: string, type = "driver"): CapsuleImage {
  const files = [fileOf("impl/main.js", bundle), fileOf("manifest.json", JSON.stringify({ type }))];
  return { hash: `sha256:${"0".repeat(64)}`, files };
}

export async function bundleCapsule(entry: string): Promise<string> {
  const built = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    format: "iife",
    globalName: "capsule",
    platform: "neutral",
    target: "es2024",
    conditions: ["source"],
  });
  const output = built.outputFiles[0];
  if (!output) throw new Error(`nothing was built from ${entry}`);
  return output.text;
}

function fileOf(path: string, text: string): ImageFile {
  const bytes = new TextEncoder().encode(text);
  const sha256 = `sha256:${createHash("sha256").update(bytes).digest("hex")}` as const;
  return { path, bytes, executable: false, sha256 };
}
