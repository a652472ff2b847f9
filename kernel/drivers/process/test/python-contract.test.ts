/** Capsules in Python under the contract of all sandboxes, with and without a wall. */
import { readFileSync } from "node:fs";
import { sandboxContract } from "../../../contracts/sandbox.ts";
import { PLACES } from "../../../contracts/sandbox-places.ts";
import { openProcessSandbox, pythonExecutor } from "../src/index.ts";
import { pythonSpec } from "./python-capsule.ts";

const source = readFileSync(new URL("../../../contracts/sandbox-capsule.py", import.meta.url), "utf8");

for (const { where, wallOf, confined, skip } of PLACES) {
  sandboxContract({
    name: `python${where}`,
    skip,
    open: async () => {
      const sandbox = openProcessSandbox(pythonExecutor(), { wallOf });
      return {
        sandbox,
        spec: (instance, group, limits) => confined(pythonSpec(source, { instance, group, limits })),
        cleanup: () => sandbox[Symbol.asyncDispose](),
      };
    },
  });
}
