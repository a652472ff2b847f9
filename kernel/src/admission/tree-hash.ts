/**
 * The name of a set of files: sha256 over one line a file, `path NUL executable-bit NUL size NUL sha256(content) LF`,
 * in the order of the paths' UTF-8 bytes. Nothing outside of path, mode bit and content takes part.
 */
import type { Sha256 } from "@vnes/schemas";
import { hex } from "../ledger/chain.ts";
import type { Digest } from "../ports/digest.ts";
import type { CapsuleImage } from "./image.ts";

export interface TreeEntry {
  /** NFC, `/`-separated, relative. */
  readonly path: string;
  readonly executable: boolean;
  readonly size: number;
  readonly sha256: Sha256;
}

const encoder = new TextEncoder();

export function treeHash(files: readonly TreeEntry[], digest: Digest): Sha256 {
  const lines = files
    .map((file) => ({ file, bytes: encoder.encode(file.path) }))
    .sort((a, b) => compareBytes(a.bytes, b.bytes))
    .map(({ file: { path, executable, size, sha256 } }) => {
      return `${path}\0${executable ? 1 : 0}\0${size}\0${sha256.slice("sha256:".length)}\n`;
    });
  return `sha256:${hex(digest.sha256(encoder.encode(lines.join(""))))}`;
}

export interface PartHashes {
  /** Tree hash over manifest.json alone. */
  readonly manifest: Sha256;
  readonly spec: Sha256;
  readonly src: Sha256;
  readonly impl: Sha256;
  /** Tree hash over manifest.json, spec/ and src/ together. */
  readonly input: Sha256;
}

export function partHashes(image: CapsuleImage, digest: Digest): Omit<PartHashes, "input"> {
  const { input: _, ...parts } = allHashes(image, digest);
  return parts;
}

export function allHashes(image: CapsuleImage, digest: Digest): PartHashes {
  const files = image.files.map((file) => ({ ...file, size: file.bytes.length }));
  const of = (wanted: (path: string) => boolean): Sha256 =>
    treeHash(
      files.filter(({ path }) => wanted(path)),
      digest,
    );
  const isManifest = (path: string): boolean => path === "manifest.json";
  const isInput = (path: string): boolean =>
    isManifest(path) || path.startsWith("spec/") || path.startsWith("src/");
  return {
    manifest: of(isManifest),
    spec: of((path) => path.startsWith("spec/")),
    src: of((path) => path.startsWith("src/")),
    impl: of((path) => path.startsWith("impl/")),
    input: of(isInput),
  };
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) {
    const difference = (a[index] as number) - (b[index] as number);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}
