export { isolateExecutor } from "./executor.ts";
export { ISOLATE_FLAGS, ISOLATE_PACKAGES } from "./isolate-process.ts";
