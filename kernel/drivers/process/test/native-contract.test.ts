/** Native capsules under the contract of all sandboxes: as they are built, and once more with every access to memory checked. */
import { readFileSync } from "node:fs";
import { sandboxContract } from "../../../contracts/sandbox.ts";
import { nativeExecutor, openProcessSandbox } from "../src/index.ts";
import { compile, nativeSpec } from "./native-capsule.ts";

const source = readFileSync(new URL("../../../contracts/sandbox-capsule.c", import.meta.url), "utf8");
const CHECKED = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];

const builds: { readonly [name: string]: readonly string[] } = {
  native: ["-O2"],
  "native, every access checked": CHECKED,
};
for (const [name, flags] of Object.entries(builds)) {
  const program = compile(source, flags);
  sandboxContract({
    name,
    open: async () => {
      const sandbox = openProcessSandbox(nativeExecutor);
      return {
        sandbox,
        spec: (instance, group, limits) => nativeSpec(program, { instance, group, limits }),
        cleanup: () => sandbox[Symbol.asyncDispose](),
      };
    },
    skip: {
      "a failed turn names its code, keeps nothing, and the next one runs (3)":
        "C has no promises; native.test.ts has the rest of it",
    },
  });
}
