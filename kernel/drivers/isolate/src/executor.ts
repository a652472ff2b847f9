/** JavaScript: one V8 isolate for each instance, in a host process for each group. */
import { nodeProgram } from "@vnes/driver-host";
import { type Executor, textOf } from "@vnes/driver-sandbox";

const HOST_MAIN = new URL(`./host-main${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);

export const isolateExecutor: Executor = {
  language: "javascript",
  program: () =>
    nodeProgram(HOST_MAIN, {
      // isolated-vm cannot work in a process started from Node's own snapshot.
      flags: ["--no-node-snapshot"],
      packages: ["@vnes/driver-host", "isolated-vm", "node-gyp-build"],
    }),
  bundle: textOf,
};
