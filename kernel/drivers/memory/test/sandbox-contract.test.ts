/** The memory sandbox under the contract every sandbox keeps. */
import { MemorySandbox } from "@vnes/driver-memory";
import { capsule } from "@vnes/sdk";
import { sandboxContract } from "../../../contracts/sandbox.ts";
import { contractHandlers } from "../../../contracts/sandbox-capsule.ts";

sandboxContract({
  name: "memory",
  open: async () => {
    const sandbox = new MemorySandbox({ "test.contract": () => capsule(contractHandlers) });
    const image = { hash: `sha256:${"0".repeat(64)}` as const, files: [] };
    return {
      sandbox,
      spec: (instance, group, limits) => ({
        instance,
        image,
        language: "javascript",
        entry: "impl/main.js",
        zone: "system",
        group,
        limits,
      }),
      cleanup: () => sandbox[Symbol.asyncDispose](),
    };
  },
});
