/** Where capsules of every language run, for a node and for a replay without one. */
import { isolateExecutor } from "@vnes/driver-isolate";
import type { WallOf } from "@vnes/driver-host";
import { nativeExecutor, openProcessSandbox, pythonExecutor } from "@vnes/driver-process";
import { openHostSandbox, sandboxByLanguage } from "@vnes/driver-sandbox";
import { wasmExecutor } from "@vnes/driver-wasm";
import type { Sandbox } from "@vnes/kernel";

export function openSandboxes(wallOf: WallOf): Sandbox {
  return sandboxByLanguage({
    javascript: openHostSandbox(isolateExecutor, { wallOf }),
    wasm: openHostSandbox(wasmExecutor, { wallOf }),
    python: openProcessSandbox(pythonExecutor(), { wallOf }),
    native: openProcessSandbox(nativeExecutor, { wallOf }),
  });
}
