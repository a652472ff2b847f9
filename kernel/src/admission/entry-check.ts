/** Is there something to run where an interface of the manifest points, and may it be what the manifest promises of it. */
import { DEFAULT_DETERMINISM_TIER, type Manifest } from "@vnes/schemas";
import { admissionReason } from "./errors.ts";
import { type CapsuleImage, imageFile } from "./image.ts";
import { DEFAULT_MEMORY_MB, programOf } from "./program.ts";
import type { Reason } from "./verdict.ts";
import { wasmProblems } from "./wasm/check.ts";

const MANIFEST = "manifest.json";
/** Interfaces whose entry is a file of the capsule. */
const FILE_INTERFACES = ["javascript", "wasm", "native"];
const PYTHON_ENTRY = /^([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):[A-Za-z_]\w*$/;
/** Tiers that promise the same again. */
const REPEATABLE: ReadonlySet<string> = new Set(["D0_bit_exact", "D1_numerically_stable"]);

export function entryReasons(manifest: Manifest, image: CapsuleImage): readonly Reason[] {
  return [
    ...FILE_INTERFACES.flatMap((language) => {
      const entry = manifest.interfaces?.[language];
      return typeof entry === "string" ? fileReasons(image, language, [entry.split(":")[0] as string]) : [];
    }),
    ...pythonReasons(manifest, image),
    ...moduleReasons(manifest, image),
    ...nativeReasons(manifest),
    ...textReasons(manifest, image),
  ];
}

function pythonReasons({ interfaces }: Manifest, image: CapsuleImage): readonly Reason[] {
  const entry = interfaces?.["python"];
  if (typeof entry !== "string") return [];
  const module = PYTHON_ENTRY.exec(entry)?.[1];
  if (module === undefined)
    return [admissionReason("ENTRY_INVALID", { entry }, { file: MANIFEST, pointer: "/interfaces/python" })];
  const path = module.replaceAll(".", "/");
  const bases = path.startsWith("impl/") ? [path, `impl/${path}`] : [`impl/${path}`];
  return fileReasons(
    image,
    "python",
    bases.flatMap((base) => [`${base}.py`, `${base}/__init__.py`]),
  );
}

/** One of the files has to be there; the first is the one to name. */
function fileReasons(image: CapsuleImage, language: string, files: readonly string[]): readonly Reason[] {
  if (files.some((file) => imageFile(image, file) !== undefined)) return [];
  const place = { file: MANIFEST, pointer: `/interfaces/${language}` };
  return [admissionReason("ENTRY_MISSING", { language, file: files[0] as string }, place)];
}

/** What can be made to answer the same again is what a sandbox of ours stands around; a program asks the machine itself. */
function nativeReasons(manifest: Manifest): readonly Reason[] {
  const { id, capabilities } = manifest;
  const tier = capabilities.determinism_tier ?? DEFAULT_DETERMINISM_TIER;
  if (programOf(manifest)?.language !== "native" || !REPEATABLE.has(tier)) return [];
  const place = { file: MANIFEST, pointer: "/capabilities/determinism_tier" };
  return [admissionReason("NATIVE_NOT_DETERMINISTIC", { id, tier }, place)];
}

/** How far into a program the first NUL is looked for; in what a compiler wrote one is among the first 16 bytes. */
const HEAD_BYTES = 512;

/** A script, or nothing at all, would fail at boot, as the absence of an interpreter that its author sees lying there. */
function textReasons(manifest: Manifest, image: CapsuleImage): readonly Reason[] {
  const program = programOf(manifest);
  if (program?.language !== "native") return [];
  const file = imageFile(image, program.entry);
  if (file === undefined || file.bytes.subarray(0, HEAD_BYTES).includes(0)) return [];
  const place = { file: file.path };
  return [admissionReason("NATIVE_NOT_PROGRAM", { file: file.path }, place)];
}

function moduleReasons(manifest: Manifest, image: CapsuleImage): readonly Reason[] {
  const entry = manifest.interfaces?.["wasm"];
  const file = typeof entry === "string" ? imageFile(image, entry) : undefined;
  if (file === undefined) return [];
  const memoryMb = manifest.runtime?.memory_limit_mb ?? DEFAULT_MEMORY_MB;
  return wasmProblems(file.bytes, file.path, memoryMb, true).map(({ code, details }) =>
    admissionReason(code, details, { file: file.path }),
  );
}
