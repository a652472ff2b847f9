/** Python capsules for tests: written as text, with the sdk beside them as an author has it. */
import { readFileSync } from "node:fs";
import type { SandboxSpec } from "@vnes/kernel";
import { type SpecOptions, specOf } from "../../../contracts/sandbox-lab.ts";

export const SDK: Buffer = readFileSync(new URL("../../../../sdk/python/vnes.py", import.meta.url));

/** An interpreter takes longer to load than a turn may take elsewhere. */
export const TURN_MS = 500;

export interface PythonOptions extends SpecOptions {
  readonly entry?: string;
  /** Beside `impl/main.py` and the sdk. */
  readonly files?: { readonly [path: string]: string };
}

/** `source` is `impl/main.py`; its `run` is the entry. */
export function pythonSpec(
  source: string,
  { entry = "impl.main:run", files = {}, ...options }: PythonOptions = {},
): SandboxSpec {
  const all = { "impl/main.py": source, "impl/vnes.py": SDK, ...files };
  const limits = { turnMs: TURN_MS, ...options.limits };
  return specOf({ language: "python", entry, files: all }, { ...options, limits });
}
