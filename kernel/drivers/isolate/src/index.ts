export { type SandboxCode, sandboxErrors } from "./errors.ts";
export { openIsolateSandbox } from "./sandbox.ts";
