export { isolateExecutor } from "./executor.ts";
