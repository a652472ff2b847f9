/**
 * Builds and installs the capsules that come with the program, on the user's machine and with the user's own keys, in a
 * directory of its own so that no build output lands among the sources. It runs at every boot, so what is installed
 * already is recognised by what it would be built from and left alone.
 */
import { readFileSync, rmSync } from "node:fs";
import { join, relative, resolve, sep } from "node:path";
import type { CapsuleImage, Reason } from "@vnes/kernel";
import { canonicalJson, isVnesError, type Sha256, type VnesError } from "@vnes/schemas";
import type { Authority } from "./authority.ts";
import { buildCapsule, isAuthored, manifestOf, vnesVersion } from "./build.ts";
import { esbuildVersion, type PackageFile } from "./bundle.ts";
import { BUILTIN_NAMESPACE } from "./default-trust.ts";
import { findCapsules } from "./directory-source.ts";
import { makeDirectory, replaceFile, writeTree } from "./durable.ts";
import { registryErrors } from "./errors.ts";
import { readImage } from "./image-reader.ts";
import { type Libraries, SDK_ALONE } from "./libraries.ts";
import type { Installation, LocalRegistry } from "./local-registry.ts";
import { withLock } from "./lock.ts";
import { sha256Of } from "./node-digest.ts";
import { verifyImage } from "./verify.ts";
import { compareVersions } from "./version-order.ts";

export interface BuiltinOptions {
  /** `capsules/` of the program. */
  readonly capsulesDir: string;
  /** Outside of it; kept, so that what was built can be looked at and installed again. */
  readonly workDir: string;
  readonly authority: Authority;
  readonly registry: LocalRegistry;
  /** What they may import besides their own files; absent: the sdk alone. */
  readonly libraries?: Libraries;
  readonly now?: Date;
}

export interface BuiltinResult {
  readonly installed: readonly Installation[];
  /** Directories under `capsulesDir` that needed nothing. */
  readonly unchanged: readonly string[];
  /** Could not be read, built or verified. The others are installed all the same. */
  readonly failed: readonly BuiltinFailure[];
}

export interface BuiltinFailure {
  readonly dir: string;
  /** Null when it was built and then not verified. */
  readonly error: VnesError | null;
  readonly reasons: readonly Reason[];
}

interface Source {
  readonly dir: string;
  /** Its path under `capsulesDir`, `vpn/session`. */
  readonly name: string;
  readonly image: CapsuleImage;
  /** Everything the build depends on except what it finds in packages. */
  readonly from: Sha256;
}

/** What a directory was built from and what came of it. */
interface Made {
  readonly id: string;
  readonly from: Sha256;
  readonly packages: readonly PackageFile[];
  readonly image: Sha256;
}

/** `built.json` in the work directory, by the capsule's path. */
type Book = { readonly [name: string]: Made };
const BOOK = "built.json";

type Outcome =
  | {
      readonly kind: "installed";
      readonly source: Source;
      readonly made: Made;
      readonly installation: Installation;
    }
  | { readonly kind: "kept"; readonly source: Source }
  | { readonly kind: "failed"; readonly failure: BuiltinFailure };

export async function installBuiltins(options: BuiltinOptions): Promise<BuiltinResult> {
  const { sources, failed } = await readSources(options);
  const first = await outdated(sources, options);
  let outcomes: readonly Outcome[] = [];
  if (first.length > 0) {
    outcomes = await withLock(options.workDir, async () => {
      // Another process may have built them while this one waited.
      const still = await outdated(sources, options);
      const results = await Promise.all(still.map((source) => buildOne(source, options)));
      writeBook(options.workDir, results);
      return results;
    });
  }
  const installed = outcomes.filter((outcome) => outcome.kind === "installed");
  const built = new Set(installed.map(({ source }) => source));
  const refused = outcomes.filter((outcome) => outcome.kind === "failed").map(({ failure }) => failure);
  const broken = new Set(refused.map(({ dir }) => dir));
  return {
    installed: installed.map(({ installation }) => installation),
    unchanged: sources.filter((one) => !built.has(one) && !broken.has(one.dir)).map(({ name }) => name),
    failed: [...failed, ...refused],
  };
}

async function readSources({ capsulesDir, authority, libraries = SDK_ALONE }: BuiltinOptions): Promise<{
  readonly sources: readonly Source[];
  readonly failed: readonly BuiltinFailure[];
}> {
  const signers = [];
  for (const role of ["build", "deployment"] as const) {
    signers.push((await authority.signer(BUILTIN_NAMESPACE, role))?.keyId ?? null);
  }
  const toolchain = { esbuild: esbuildVersion(), vnes: vnesVersion(), signers, libraries: libraries.names };
  const sources: Source[] = [];
  const failed: BuiltinFailure[] = [];
  for (const { path: dir, link } of findCapsules(capsulesDir)) {
    try {
      if (link) throw registryErrors.create("IMAGE_LINK_REFUSED", { dir, file: "." });
      const image = await readImage(dir);
      const files = image.files
        .filter((file) => isAuthored(file, image))
        .map(({ path, executable, sha256 }) => [path, executable, sha256]);
      const name = relative(resolve(capsulesDir), dir).split(sep).join("/");
      sources.push({ dir, name, image, from: sha256Of(canonicalJson({ files, toolchain })) });
    } catch (error) {
      failed.push(failure(dir, error));
    }
  }
  return { sources, failed };
}

async function outdated(sources: readonly Source[], options: BuiltinOptions): Promise<readonly Source[]> {
  const book = readBook(options.workDir);
  const installed = await options.registry.list();
  const hashes = new Map<string, Sha256 | null>();
  return sources.filter(({ name, from }) => {
    const made = Object.hasOwn(book, name) ? book[name] : undefined;
    if (made === undefined || made.from !== from || !options.registry.has(made.image)) return true;
    // Whichever version is current, this one was installed; another choice since then is the user's.
    if (!installed.some(({ id, image }) => id === made.id && image === made.image)) return true;
    return made.packages.some(({ file, sha256 }) => {
      if (!hashes.has(file)) hashes.set(file, hashOf(file));
      return hashes.get(file) !== sha256;
    });
  });
}

async function buildOne(
  source: Source,
  { workDir, authority, registry, libraries, now }: BuiltinOptions,
): Promise<Outcome> {
  const { dir, image, name, from } = source;
  try {
    const manifest = manifestOf(image, dir);
    const current = await registry.current(manifest.id);
    if (current !== null && compareVersions(manifest.version, current.version) < 0)
      return { kind: "kept", source };
    const target = join(workDir, name.replaceAll("/", "-"));
    rmSync(target, { recursive: true, force: true });
    const files = image.files.filter((file) => isAuthored(file, image));
    writeTree(
      target,
      files.map(({ path, bytes, executable }) => ({ path, bytes, mode: executable ? 0o755 : 0o644 })),
    );
    const dates = now === undefined ? {} : { now };
    const options = { authority, ...dates, ...(libraries === undefined ? {} : { libraries }) };
    const built = await buildCapsule(target, options);
    const { policy } = authority;
    const verified = verifyImage(built.image, target, { trust: authority.trust(), policy, ...dates });
    if (verified.verdict.kind !== "verified") {
      return { kind: "failed", failure: { dir, error: null, reasons: verified.verdict.reasons } };
    }
    const installation = await registry.install(verified, { replace: true, ...dates });
    const made: Made = { id: manifest.id, from, packages: built.packages, image: installation.image };
    return { kind: "installed", source, made, installation };
  } catch (error) {
    return { kind: "failed", failure: failure(dir, error) };
  }
}

function failure(dir: string, error: unknown): BuiltinFailure {
  if (!isVnesError(error)) throw error;
  return { dir, error, reasons: [] };
}

function hashOf(file: string): Sha256 | null {
  try {
    return sha256Of(readFileSync(file));
  } catch {
    return null;
  }
}

/** Empty for one that cannot be read: then everything is built again. */
function readBook(workDir: string): Book {
  try {
    const book: unknown = JSON.parse(readFileSync(join(workDir, BOOK), "utf8"));
    return typeof book === "object" && book !== null ? (book as Book) : {};
  } catch {
    return {};
  }
}

function writeBook(workDir: string, outcomes: readonly Outcome[]): void {
  const made = outcomes.filter((outcome) => outcome.kind === "installed");
  if (made.length === 0) return;
  makeDirectory(workDir, 0o700);
  const added = Object.fromEntries(made.map((outcome) => [outcome.source.name, outcome.made]));
  replaceFile(join(workDir, BOOK), JSON.stringify({ ...readBook(workDir), ...added }, null, 2), 0o600);
}
