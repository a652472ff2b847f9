/** Makes a capsule out of its directory: compiles src/ into impl/, writes the receipt, signs it. */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type CapsuleImage, type ImageFile, imageFile, receiptSigningBytes, treeHash } from "@vnes/kernel";
import {
  canonicalJson,
  type Manifest,
  parseManifest,
  parseReceipt,
  type Receipt,
  type SignatureRole,
} from "@vnes/schemas";
import type { Authority } from "./authority.ts";
import { BUNDLE_FILE, bundle, esbuildVersion, type PackageFile, SOURCE_ENTRY } from "./bundle.ts";
import { makeDirectory, replaceFile } from "./durable.ts";
import { registryErrors } from "./errors.ts";
import { MANIFEST_FILE, RECEIPT_FILE } from "./image-layout.ts";
import { readImage } from "./image-reader.ts";
import { type Libraries, SDK_ALONE } from "./libraries.ts";
import type { KeyStore } from "./key-store.ts";
import { addSignature, describeImage, keyInRole, signReceipt, type Toolchain } from "./make-receipt.ts";
import { nodeDigest, sha256Of } from "./node-digest.ts";

export interface Built {
  readonly manifest: Manifest;
  readonly receipt: Receipt;
  /** What now lies in the directory. */
  readonly image: CapsuleImage;
  /** What was bundled in besides the capsule's own files; empty when there was nothing to compile. */
  readonly packages: readonly PackageFile[];
}

export interface BuildOptions {
  readonly authority: Authority;
  /** Name or id of the key that signs as build, in place of the authority's own. */
  readonly key?: string | undefined;
  readonly now?: Date;
  /** What the capsule may import besides its own files; absent: the sdk alone. */
  readonly libraries?: Libraries;
}

/**
 * Writes `impl/main.js` and `receipt.stunir.json` into `dir`; a capsule without `src/main.ts` keeps its `impl/` and gets a
 * receipt. Rejects with a `BUILD_*` or `IMAGE_*` error, and then nothing was written.
 */
export async function buildCapsule(
  dir: string,
  { authority, key, now = new Date(), libraries = SDK_ALONE }: BuildOptions,
): Promise<Built> {
  const root = resolve(dir);
  const read = await readImage(root);
  const manifest = manifestOf(read, root);
  const compiled = imageFile(read, SOURCE_ENTRY) !== undefined;
  // Beside the bundle impl/ may hold what the author brought, a WASM module say; it is kept and goes into the receipt.
  const impl = read.files.filter((file) => inImpl(file) && !(compiled && file.path === BUNDLE_FILE));
  const bundled = compiled ? await bundle(read, root, libraries) : null;
  if (bundled !== null) impl.push(implFile(bundled.bytes));
  if (impl.length === 0) {
    const interfaces = Object.entries(manifest.interfaces ?? {}).map(
      ([language, entry]) => `${language}: ${typeof entry === "string" ? entry : JSON.stringify(entry)}`,
    );
    throw registryErrors.create("BUILD_NOTHING_TO_BUILD", {
      dir: root,
      interfaces: interfaces.join(", ") || "no interfaces",
    });
  }
  const unsigned = withFiles(read, [...read.files.filter(isInput), ...impl]);
  const receipt = await signReceipt(
    asBefore(
      read,
      describeImage(unsigned, manifest, bundled === null ? packer() : compiler(bundled.packages), now),
    ),
    manifest,
    authority,
    key,
  );
  if (bundled !== null) {
    makeDirectory(join(root, "impl"), 0o755);
    replaceFile(join(root, BUNDLE_FILE), bundled.bytes, 0o644);
  }
  replaceFile(join(root, RECEIPT_FILE), canonicalJson(receipt), 0o644);
  return {
    manifest,
    receipt,
    image: withFiles(unsigned, [...unsigned.files, receiptFile(receipt)]),
    packages: bundled?.packages ?? [],
  };
}

/** Adds a signature to the receipt that is there. Rejects with `RECEIPT_STALE` when the directory changed since. */
export async function signCapsule(
  dir: string,
  role: SignatureRole,
  key: string,
  keys: KeyStore,
): Promise<Receipt> {
  const root = resolve(dir);
  const image = await readImage(root);
  const receipt = receiptOf(image, root);
  for (const path of new Set([...Object.keys(receipt.files), ...image.files.map((file) => file.path)])) {
    if (path !== RECEIPT_FILE && receipt.files[path] !== imageFile(image, path)?.sha256) {
      throw registryErrors.create("RECEIPT_STALE", { dir: root, file: path });
    }
  }
  const { keyId } = await keyInRole(keys, key, role);
  const signed = await addSignature(receipt, role, keyId, keys);
  replaceFile(join(root, RECEIPT_FILE), canonicalJson(signed), 0o644);
  return signed;
}

/** Rejects with `BUILD_MANIFEST_INVALID`. */
export function manifestOf(image: CapsuleImage, dir: string): Manifest {
  const file = imageFile(image, MANIFEST_FILE);
  const fail = (pointer: string, reason: string) =>
    registryErrors.create("BUILD_MANIFEST_INVALID", { dir, pointer: pointer || "/", reason });
  if (file === undefined) throw fail("", "the file is missing");
  const parsed = parseManifest(file.bytes);
  if (parsed.ok) return parsed.value;
  throw fail(parsed.problems[0]?.pointer ?? "", parsed.problems.map(({ message }) => message).join("; "));
}

/** Part of the manifest, spec/ or src/. */
export function isInput(file: ImageFile): boolean {
  return file.path !== RECEIPT_FILE && !inImpl(file);
}

/** Written by a person, not by a build. */
export function isAuthored(file: ImageFile, image: CapsuleImage): boolean {
  if (file.path === BUNDLE_FILE) return imageFile(image, SOURCE_ENTRY) === undefined;
  return file.path !== RECEIPT_FILE;
}

function implFile(bytes: Uint8Array): ImageFile {
  return { path: BUNDLE_FILE, bytes, executable: false, sha256: sha256Of(bytes) };
}

function receiptOf(image: CapsuleImage, dir: string): Receipt {
  const file = imageFile(image, RECEIPT_FILE);
  if (file === undefined) throw registryErrors.create("RECEIPT_UNREADABLE", { dir, reason: "it is missing" });
  const parsed = parseReceipt(file.bytes);
  if (parsed.ok) return parsed.value;
  const reason = parsed.problems.map(({ pointer, message }) => `${pointer} ${message}`).join("; ");
  throw registryErrors.create("RECEIPT_UNREADABLE", { dir, reason });
}

/** A build that gives what the last one gave keeps its time, so that building twice makes one image and not two. */
function asBefore(image: CapsuleImage, receipt: Receipt): Receipt {
  const file = imageFile(image, RECEIPT_FILE);
  const before = file === undefined ? undefined : parseReceipt(file.bytes);
  if (before?.ok !== true) return receipt;
  const { timestamp } = before.value;
  const again = { ...receipt, timestamp };
  const same = Buffer.compare(receiptSigningBytes(again), receiptSigningBytes(before.value)) === 0;
  return same ? again : receipt;
}

function receiptFile(receipt: Receipt): ImageFile {
  const bytes = canonicalJson(receipt);
  return { path: RECEIPT_FILE, bytes, executable: false, sha256: sha256Of(bytes) };
}

function withFiles(image: CapsuleImage, files: readonly ImageFile[]): CapsuleImage {
  const sorted = [...files].sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
  const sized = sorted.map((file) => ({ ...file, size: file.bytes.length }));
  return { ...image, files: sorted, hash: treeHash(sized, nodeDigest) };
}

function inImpl(file: ImageFile): boolean {
  return file.path.startsWith("impl/");
}

function compiler(packages: readonly PackageFile[]): Toolchain {
  const esbuild = esbuildVersion();
  const bundled = Object.fromEntries(packages.map(({ name, sha256 }) => [name, sha256]));
  return { step: "bundle", tool: `esbuild ${esbuild}`, toolchain: { esbuild, ...versions(), bundled } };
}

function packer(): Toolchain {
  const { vnes, node } = versions();
  return { step: "package", tool: `vnes ${vnes}`, toolchain: { node, vnes } };
}

function versions(): { readonly node: string; readonly vnes: string } {
  return { node: process.versions.node, vnes: vnesVersion() };
}

let ownVersion: string | undefined;

export function vnesVersion(): string {
  ownVersion ??= (
    JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string }
  ).version;
  return ownVersion;
}
