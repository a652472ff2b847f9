/** Capsules in Python under the contract of all sandboxes. */
import { readFileSync } from "node:fs";
import { sandboxContract } from "../../../contracts/sandbox.ts";
import { openProcessSandbox, pythonExecutor } from "../src/index.ts";
import { pythonSpec } from "./python-capsule.ts";

const source = readFileSync(new URL("../../../contracts/sandbox-capsule.py", import.meta.url), "utf8");

sandboxContract({
  name: "python",
  open: async () => {
    const sandbox = openProcessSandbox(pythonExecutor());
    return {
      sandbox,
      spec: (instance, group, limits) => pythonSpec(source, { instance, group, limits }),
      cleanup: () => sandbox[Symbol.asyncDispose](),
    };
  },
});
