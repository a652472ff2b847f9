/**
 * Programs of ours that run in a process or an isolate of their own, as one file: made by esbuild from their sources when one is first needed,
 * and kept in `dist/` of the package they belong to, beside the sources and with the same owner. A process that starts from one file
 * needs neither its packages nor their types taken away: half of the time until it speaks.
 *
 * 1. What is kept says in its first line what it was made from; it counts only while all of that is as it was, and is made anew otherwise.
 * 2. Where nothing can be written it is made again by every process that needs it, and a host runs from its sources.
 */
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { BuildOptions } from "esbuild";

const require = createRequire(import.meta.url);
const FOLDER = "dist";

type ScriptForm =
  | { readonly for: "node"; readonly packages: readonly string[] }
  | { readonly for: "isolate"; readonly globalName: string };

interface Origin {
  readonly esbuild: string;
  readonly form: ScriptForm;
  /** Of every source, by its path from the file that is made. */
  readonly sources: { readonly [path: string]: string };
  /** Of what follows the first line. */
  readonly script: string;
}

interface Made {
  readonly text: string;
  readonly origin: Origin;
}

/** Where nothing can be kept: of this process, by where it would be. */
const unkept = new Map<string, string>();

/**
 * A program for Node that finds `packages` where they are installed: where it is kept, or undefined where it cannot be. `entry` has the extension of
 * the module that names it: `.ts` from source, `.js` when built. Throws what esbuild says.
 */
export function builtFile(entry: URL, packages: readonly string[]): string | undefined {
  const source = fileURLToPath(entry);
  const file = placeOf(source, "cjs");
  const form: ScriptForm = { for: "node", packages };
  if (read(file, form) !== undefined) return file;
  return mayKeep(file) && keep(file, make(source, file, form)) ? file : undefined;
}

/** A script for an isolate that sets the global. */
export function builtText(entry: URL, globalName: string): string {
  const source = fileURLToPath(entry);
  const file = placeOf(source, "script.js");
  const form: ScriptForm = { for: "isolate", globalName };
  const known = read(file, form) ?? unkept.get(file);
  if (known !== undefined) return known;
  const made = make(source, file, form);
  if (!mayKeep(file) || !keep(file, made)) unkept.set(file, made.text);
  return made.text;
}

function placeOf(source: string, extension: string): string {
  return join(packageFolder(source), FOLDER, `${basename(source).replace(/\.[jt]s$/, "")}.${extension}`);
}

/** Not by root in somebody's own tree, who could not remove it. */
function mayKeep(file: string): boolean {
  const folder = dirname(file);
  return statSync(existsSync(folder) ? folder : dirname(folder)).uid === process.getuid?.();
}

/** Undefined unless it was made from what lies there now. */
function read(file: string, form: ScriptForm): string | undefined {
  try {
    const kept = readFileSync(file, "utf8");
    const end = kept.indexOf("\n");
    const origin = JSON.parse(kept.slice("//".length, end)) as Origin;
    const text = kept.slice(end + 1);
    const isSame =
      origin.esbuild === esbuildVersion() &&
      JSON.stringify(origin.form) === JSON.stringify(form) &&
      origin.script === hash(text) &&
      Object.entries(origin.sources).every(
        ([path, sum]) => hash(readFileSync(resolve(dirname(file), path))) === sum,
      );
    return isSame ? text : undefined;
  } catch {
    return undefined;
  }
}

function make(source: string, file: string, form: ScriptForm): Made {
  // In a process of its own: the builder of capsules ends the one that it shares.
  const { buildSync } = require("esbuild") as typeof import("esbuild");
  const { outputFiles, metafile } = buildSync({
    ...optionsFor(form),
    entryPoints: [source],
    conditions: source.endsWith(".ts") ? ["source"] : [],
    absWorkingDir: dirname(source),
    outfile: file,
    bundle: true,
    write: false,
    metafile: true,
    charset: "utf8",
    legalComments: "none",
    tsconfigRaw: "{}",
    logLevel: "silent",
  });
  const [output] = outputFiles;
  if (output === undefined || metafile === undefined)
    throw new Error("esbuild gave no output for one entry point");
  const sources = Object.keys(metafile.inputs).map((path) => {
    const input = resolve(dirname(source), path);
    return [relative(dirname(file), input), hash(readFileSync(input))] as const;
  });
  const origin: Origin = {
    esbuild: esbuildVersion(),
    form,
    sources: Object.fromEntries(sources.sort(([a], [b]) => (a < b ? -1 : 1))),
    script: hash(output.text),
  };
  return { text: output.text, origin };
}

function optionsFor(form: ScriptForm): BuildOptions {
  if (form.for === "node")
    return { format: "cjs", platform: "node", target: "node24", external: [...form.packages] };
  // Without the comments that name the sources: nothing in it says where they lie on this machine.
  const { globalName } = form;
  return { format: "iife", globalName, platform: "neutral", target: "es2024", minifyWhitespace: true };
}

/** False where it cannot be written. Readable for all, as the sources are: who runs a host need not be who made it. */
function keep(file: string, { text, origin }: Made): boolean {
  const draft = `${file}.${process.pid}`;
  try {
    if (!existsSync(dirname(file))) {
      mkdirSync(dirname(file));
      chmodSync(dirname(file), 0o755);
    }
    writeFileSync(draft, `//${JSON.stringify(origin)}\n${text}`);
    chmodSync(draft, 0o644);
    renameSync(draft, file);
    return true;
  } catch {
    drop(draft);
    return false;
  }
}

function drop(draft: string): void {
  try {
    rmSync(draft, { force: true });
  } catch {
    // It could not be made either.
  }
}

/** The folder of the file's own package. */
function packageFolder(file: string): string {
  for (let folder = dirname(file); ; folder = dirname(folder)) {
    if (existsSync(join(folder, "package.json"))) return folder;
    if (folder === dirname(folder)) throw new Error(`${file} belongs to no package`);
  }
}

function esbuildVersion(): string {
  return (require("esbuild/package.json") as { version: string }).version;
}

function hash(bytes: string | Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
