export { processErrors, type ProcessCode } from "./errors.ts";
export type { ProcessExecutor } from "./executor.ts";
export { nativeExecutor } from "./native.ts";
export { openProcessSandbox, type ProcessSandboxOptions } from "./process-sandbox.ts";
export { findPython, isUsable, type Python, pythonExecutor } from "./python.ts";
