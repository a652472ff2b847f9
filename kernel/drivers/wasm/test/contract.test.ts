/** WebAssembly under the contract of all sandboxes, with and without a wall. */
import { openHostSandbox } from "@vnes/driver-sandbox";
import { sandboxContract } from "../../../contracts/sandbox.ts";
import { PLACES } from "../../../contracts/sandbox-places.ts";
import { wasmExecutor } from "../src/index.ts";
import { assembly, specOf } from "./modules.ts";

const module = await assembly(new URL("assembly/contract.ts", import.meta.url));

for (const { where, wallOf, confined, skip } of PLACES) {
  sandboxContract({
    name: `wasm${where}`,
    skip,
    hasNoPromises: true,
    // `memory.grow` says no at the declared maximum; what the module makes of it is its own, here a trap.
    memoryEnd: "TURN_HANDLER_THREW",
    open: async () => {
      const sandbox = openHostSandbox(wasmExecutor, { wallOf });
      return {
        sandbox,
        spec: (instance, group, limits) => confined(specOf(module, { instance, group, limits })),
        cleanup: () => sandbox[Symbol.asyncDispose](),
      };
    },
  });
}
