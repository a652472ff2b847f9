/**
 * Python: CPython with a host of ours as its script, one interpreter for each instance. The modules are those of the image and
 * travel with `open`; the interpreter reads its own library and nothing else.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { broken } from "@vnes/driver-sandbox";
import type { SandboxSpec } from "@vnes/kernel";
import { processErrors } from "./errors.ts";
import type { ProcessExecutor } from "./executor.ts";

export interface Python {
  /** Absolute path of the interpreter itself, past any shim on the PATH. */
  readonly file: string;
  readonly version: readonly [major: number, minor: number];
  /** Its library. */
  readonly folders: readonly string[];
}

const HOST = fileURLToPath(new URL("../python/host.py", import.meta.url));
const CAPSULE_FILES = "impl/";
const FIND_TIMEOUT_MS = 10_000;
const OLDEST_MINOR = 11;
/** Not -I: that would leave the hash seed to chance. Nothing of the environment but ours reaches it anyway. */
const FLAGS = ["-s", "-S", "-B", "-P"];
const ASKED = `import json, sys, sysconfig
at = sysconfig.get_paths()
print(json.dumps([sys.executable, *sys.version_info[:2], sorted({at["stdlib"], at["platstdlib"]})]))`;

/** Asks the python3 on the PATH; the reason why there is none otherwise. */
export function findPython(): Python | string {
  const { error, status, stdout, stderr } = spawnSync("python3", ["-I", "-S", "-c", ASKED], {
    encoding: "utf8",
    timeout: FIND_TIMEOUT_MS,
  });
  if (error !== undefined) return error.message;
  if (status !== 0) return stderr.trim().split("\n").at(-1) ?? `exit code ${status}`;
  const [file, major, minor, folders] = JSON.parse(stdout) as [string, number, number, string[]];
  return { file, version: [major, minor], folders };
}

/** `-P` came with 3.11, and with it the way to start an interpreter that sees no folder but its library. */
export function isUsable({ version: [major, minor] }: Python): boolean {
  return major === 3 && minor >= OLDEST_MINOR;
}

/** The interpreter is looked for once, when the first Python capsule opens. */
export function pythonExecutor(find: () => Python | string = findPython): ProcessExecutor {
  let found: Python | string | undefined;
  return {
    language: "python",
    program(spec) {
      found ??= find();
      const python = found;
      const { instance } = spec;
      if (typeof python === "string")
        throw processErrors.create("PYTHON_MISSING", { instance, reason: python });
      const { file, version, folders } = python;
      if (!isUsable(python))
        throw processErrors.create("PYTHON_TOO_OLD", { instance, file, version: version.join(".") });
      return {
        file,
        args: [...FLAGS, HOST],
        env: { PYTHONHASHSEED: "0", PYTHONUTF8: "1" },
        reads: [file, HOST, ...folders],
      };
    },
    bundle: modulesOf,
  };
}

/** JSON of path to base64, for every file below `impl/`. */
function modulesOf(spec: SandboxSpec): string {
  const files = spec.image.files.filter(({ path }) => path.startsWith(CAPSULE_FILES));
  if (files.length === 0) throw broken(spec, `the image has no file below ${CAPSULE_FILES}`);
  return JSON.stringify(
    Object.fromEntries(files.map(({ path, bytes }) => [path, Buffer.from(bytes).toString("base64")])),
  );
}
