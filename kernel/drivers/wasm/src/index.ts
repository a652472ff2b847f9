export { wasmExecutor } from "./executor.ts";
