/**
 * Compiles the sources of an image into the one script a sandbox runs. It reads the image, not the disk, and calls
 * every file by a name that is the same on every machine, so the same image and toolchain give the same bytes.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, posix, relative, sep } from "node:path";
import type { Loader, OnLoadResult, OnResolveArgs, OnResolveResult, Plugin } from "esbuild";
import { type CapsuleImage, imageFile } from "@vnes/kernel";
import type { Sha256 } from "@vnes/schemas";
import { registryErrors } from "./errors.ts";
import { type Libraries, placeOf, SDK_ALONE } from "./libraries.ts";
import { sha256Of } from "./node-digest.ts";

export const SOURCE_ENTRY = "src/main.ts";
export const BUNDLE_FILE = "impl/main.js";

const CAPSULE = "capsule";
const PACKAGE = "package";
const require = createRequire(import.meta.url);

let building = 0;

export function esbuildVersion(): string {
  const { version } = require("esbuild/package.json") as { version: string };
  return version;
}

export interface Bundle {
  readonly bytes: Uint8Array;
  /** What was bundled in besides the capsule's own files, such as `@vnes/sdk/src/index.ts`, sorted by name. */
  readonly packages: readonly PackageFile[];
}

export interface PackageFile {
  readonly name: string;
  /** Where it lies on this machine. */
  readonly file: string;
  readonly sha256: Sha256;
}

/**
 * `origin` is where the image came from, for messages; `libraries` is what it may import besides its own files. Rejects
 * with a `BUILD_*` error.
 */
export async function bundle(
  image: CapsuleImage,
  origin: string,
  libraries: Libraries = SDK_ALONE,
): Promise<Bundle> {
  // Loaded when there is something to build: a boot that builds nothing does not pay for it.
  const { build, stop } = await import("esbuild");
  building += 1;
  const refused: Error[] = [];
  const packages: PackageFile[] = [];
  try {
    const result = await build({
      entryPoints: [SOURCE_ENTRY],
      plugins: [capsuleFiles(image, origin, libraries, refused, packages)],
      bundle: true,
      write: false,
      format: "iife",
      globalName: "capsule",
      platform: "neutral",
      target: "es2024",
      charset: "utf8",
      conditions: ["source"],
      legalComments: "none",
      sourcemap: false,
      tsconfigRaw: "{}",
      absWorkingDir: sep,
      outfile: join(sep, BUNDLE_FILE),
      logLevel: "silent",
    });
    const [output] = result.outputFiles;
    if (output === undefined) throw new Error("esbuild gave no output for one entry point");
    packages.sort((a, b) => (a.name < b.name ? -1 : 1));
    return { bytes: output.contents, packages };
  } catch (cause) {
    throw refused[0] ?? buildFailed(cause, origin);
  } finally {
    building -= 1;
    // esbuild is a process of its own and would live as long as a node does.
    if (building === 0) await stop();
  }
}

function capsuleFiles(
  image: CapsuleImage,
  origin: string,
  libraries: Libraries,
  refused: Error[],
  packages: PackageFile[],
): Plugin {
  const refuse = (args: OnResolveArgs, code: "BUILD_IMPORT_FORBIDDEN" | "BUILD_IMPORT_MISSING") => {
    const allowed = libraries.names.join(", ");
    const error = registryErrors.create(code, {
      dir: origin,
      file: args.importer,
      import: args.path,
      allowed,
    });
    refused.push(error);
    return { errors: [{ text: error.message }] };
  };
  return {
    name: "capsule-files",
    setup(build) {
      build.onResolve({ filter: /.*/ }, async (args): Promise<OnResolveResult | undefined> => {
        if (args.pluginData === "plain") return undefined;
        if (args.kind === "entry-point") return { path: args.path, namespace: CAPSULE };
        if (args.namespace === CAPSULE && args.path.startsWith(".")) {
          const path = posix.join(posix.dirname(args.importer), args.path);
          if (!path.startsWith("src/")) return refuse(args, "BUILD_IMPORT_FORBIDDEN");
          const found = candidates(path).find((name) => imageFile(image, name) !== undefined);
          return found === undefined
            ? refuse(args, "BUILD_IMPORT_MISSING")
            : { path: found, namespace: CAPSULE };
        }
        const place = args.namespace === CAPSULE ? placeOf(args.path, libraries) : undefined;
        if (args.namespace === CAPSULE && place === undefined) return refuse(args, "BUILD_IMPORT_FORBIDDEN");
        const { path: file, errors } = await build.resolve(args.path, {
          resolveDir: place ?? dirname(args.pluginData as string),
          kind: args.kind,
          pluginData: "plain",
        });
        if (errors.length > 0) return { errors };
        return { path: packagePath(file), namespace: PACKAGE, pluginData: file };
      });
      build.onLoad({ filter: /.*/, namespace: CAPSULE }, (args): OnLoadResult => {
        const file = imageFile(image, args.path);
        if (file === undefined) return { errors: [{ text: `${args.path} is not there` }] };
        return { contents: file.bytes, loader: loaderOf(args.path) };
      });
      build.onLoad({ filter: /.*/, namespace: PACKAGE }, (args): OnLoadResult => {
        const file = args.pluginData as string;
        const contents = readFileSync(file);
        packages.push({ name: args.path, file, sha256: sha256Of(contents) });
        return { contents, loader: loaderOf(file), pluginData: file };
      });
    },
  };
}

function candidates(path: string): string[] {
  return [path, path.replace(/\.js$/, ".ts"), `${path}.ts`, `${path}/index.ts`];
}

function loaderOf(path: string): Loader {
  if (path.endsWith(".ts")) return "ts";
  return path.endsWith(".json") ? "json" : "js";
}

/** `@vnes/sdk/src/index.ts`: the package's own name and the path within it, wherever it is installed. */
function packagePath(file: string): string {
  for (let dir = dirname(file); ; dir = dirname(dir)) {
    const name = packageName(join(dir, "package.json"));
    if (name !== undefined) return posix.join(name, relative(dir, file).split(sep).join("/"));
    if (dir === dirname(dir)) throw new Error(`${file} belongs to no package`);
  }
}

function packageName(file: string): string | undefined {
  try {
    return (JSON.parse(readFileSync(file, "utf8")) as { name?: string }).name;
  } catch {
    return undefined;
  }
}

function buildFailed(cause: unknown, origin: string): Error {
  const messages = (cause as { errors?: unknown }).errors;
  if (!Array.isArray(messages)) return cause instanceof Error ? cause : new Error(String(cause));
  const told = messages as readonly {
    text: string;
    location: { file: string; line: number; column: number } | null;
  }[];
  const first = told[0];
  return registryErrors.create(
    "BUILD_FAILED",
    {
      dir: origin,
      file: (first?.location?.file ?? SOURCE_ENTRY).replace(/^capsule:/, ""),
      line: first?.location?.line ?? 0,
      column: (first?.location?.column ?? -1) + 1,
      reason: first?.text ?? "esbuild gave no reason",
      all: told.map(({ text, location }) => `${location?.file ?? ""}:${location?.line ?? 0}: ${text}`),
    },
    cause,
  );
}
