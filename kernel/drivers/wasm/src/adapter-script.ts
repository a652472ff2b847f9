/**
 * The script that runs in the isolate of every module: our own adapter with the sdk's engine, bundled from the sources of this program.
 * It is made when the first module is opened, once in a process, so a node without one does not pay for it (about 50 ms). The same
 * sources and esbuild give the same bytes.
 */
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const isSource = import.meta.url.endsWith(".ts");
const ENTRY = fileURLToPath(new URL(`./adapter/main${isSource ? ".ts" : ".js"}`, import.meta.url));

let script: string | undefined;

export function adapterScript(): string {
  script ??= bundled();
  return script;
}

function bundled(): string {
  // Loaded here, and in a process of its own: the builder of capsules ends the one that it shares.
  const { buildSync } = createRequire(import.meta.url)("esbuild") as typeof import("esbuild");
  const { outputFiles } = buildSync({
    entryPoints: [ENTRY],
    bundle: true,
    write: false,
    format: "iife",
    globalName: "capsule",
    platform: "neutral",
    target: "es2024",
    charset: "utf8",
    conditions: isSource ? ["source"] : [],
    legalComments: "none",
    // Comments would name files by where they lie on this machine.
    minifyWhitespace: true,
    tsconfigRaw: "{}",
    logLevel: "silent",
  });
  const [output] = outputFiles;
  if (output === undefined) throw new Error("esbuild gave no output for one entry point");
  return output.text;
}
