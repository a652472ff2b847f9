/** What belongs to a capsule's directory, what may lie beside it, and how much of it there may be. */

export const MANIFEST_FILE = "manifest.json";
export const RECEIPT_FILE = "receipt.stunir.json";

/** Read, hashed, installed and run. */
export const IMAGE_FILES: ReadonlySet<string> = new Set([MANIFEST_FILE, RECEIPT_FILE]);
export const IMAGE_DIRECTORIES: ReadonlySet<string> = new Set(["spec", "src", "impl"]);

/**
 * What an author keeps beside a capsule. None of it is read, hashed, installed or run, so none of it needs to be
 * trusted. Anything else at the top is refused by name: a file that is neither checked nor known is a mistake.
 */
export const BESIDE: ReadonlySet<string> = new Set([
  "test",
  "README.md",
  "CHANGELOG.md",
  "LICENSE",
  "package.json",
  "package-lock.json",
  "tsconfig.json",
  "asconfig.json",
  "pyproject.toml",
  "Makefile",
  "node_modules",
  ".git",
  ".gitignore",
  ".venv",
  ".mypy_cache",
  ".ruff_cache",
  ".pytest_cache",
]);

/**
 * What Python leaves beside a module wherever it is imported from, to test it for instance: no source, other bytes each time, and read by no
 * capsule's interpreter. It is no part of the image at any depth.
 */
export const LEFT_BEHIND = "__pycache__";

export interface ImageBounds {
  /** Files and directories together. */
  readonly files: number;
  /** Directories above a file. */
  readonly depth: number;
  readonly fileBytes: number;
  readonly totalBytes: number;
}

/**
 * An image is held in memory whole, and a node holds several: the total keeps one hostile directory from costing more
 * than a small process does. One file may be a quarter of it, which leaves room for a large WASM module.
 */
export const IMAGE_BOUNDS: ImageBounds = {
  files: 2048,
  depth: 16,
  fileBytes: 16 * 1024 * 1024,
  totalBytes: 64 * 1024 * 1024,
};
