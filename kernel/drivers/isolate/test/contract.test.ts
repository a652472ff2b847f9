/** JavaScript under the contract of all sandboxes, with and without a wall. */
import { openHostSandbox } from "@vnes/driver-sandbox";
import { sandboxContract } from "../../../contracts/sandbox.ts";
import { PLACES } from "../../../contracts/sandbox-places.ts";
import { isolateExecutor } from "../src/index.ts";
import { bundleSource, specOf } from "./bundle.ts";

const capsule = new URL("../../../contracts/sandbox-capsule.ts", import.meta.url).pathname;
const bundle = await bundleSource(
  `import { capsule } from "@vnes/sdk"; import { contractHandlers } from ${JSON.stringify(capsule)};
   export default capsule(contractHandlers);`,
);

for (const { where, wallOf, confined, skip } of PLACES) {
  sandboxContract({
    name: `javascript${where}`,
    skip,
    open: async () => {
      const sandbox = openHostSandbox(isolateExecutor, { wallOf });
      return {
        sandbox,
        spec: (instance, group, limits) => confined(specOf(bundle, { instance, group, limits })),
        cleanup: () => sandbox[Symbol.asyncDispose](),
      };
    },
  });
}
