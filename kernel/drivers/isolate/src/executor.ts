/** JavaScript: one V8 isolate for each instance, in a host process for each group. */
import { builtProgram } from "@vnes/driver-host";
import { type Executor, textOf } from "@vnes/driver-sandbox";
import { HELPED_BY_ONE, ISOLATE_FLAGS, ISOLATE_PACKAGES } from "./isolate-process.ts";

const HOST_MAIN = new URL(`./host-main${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);

export const isolateExecutor: Executor = {
  language: "javascript",
  program: () =>
    builtProgram(HOST_MAIN, {
      flags: [...ISOLATE_FLAGS, ...HELPED_BY_ONE],
      packages: ISOLATE_PACKAGES,
      sources: ["@vnes/driver-host"],
    }),
  bundle: textOf,
};
