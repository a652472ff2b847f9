/** WebAssembly under the sandbox contract. */
import { openHostSandbox } from "@vnes/driver-sandbox";
import { sandboxContract } from "../../../contracts/sandbox.ts";
import { wasmExecutor } from "../src/index.ts";
import { assembly, specOf } from "./modules.ts";

const module = await assembly(new URL("assembly/contract.ts", import.meta.url));

sandboxContract({
  name: "wasm",
  hasNoPromises: true,
  open: async () => {
    const sandbox = openHostSandbox(wasmExecutor);
    return {
      sandbox,
      spec: (instance, group, limits) => specOf(module, { instance, group, limits }),
      cleanup: () => sandbox[Symbol.asyncDispose](),
    };
  },
});
