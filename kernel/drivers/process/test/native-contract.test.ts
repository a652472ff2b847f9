/**
 * Native capsules under the contract of all sandboxes: as they are built, with and without a wall, and once more with every access to
 * memory checked.
 */
import { readFileSync } from "node:fs";
import { sandboxContract } from "../../../contracts/sandbox.ts";
import { type Place, PLACES } from "../../../contracts/sandbox-places.ts";
import { nativeExecutor, openProcessSandbox } from "../src/index.ts";
import { compile, nativeSpec } from "./native-capsule.ts";

const source = readFileSync(new URL("../../../contracts/sandbox-capsule.c", import.meta.url), "utf8");
const CHECKED = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];

function contractOf(
  name: string,
  program: Uint8Array,
  { where, wallOf, confined, skip }: Place,
  boundsNoMemory?: string,
): void {
  sandboxContract({
    name: `${name}${where}`,
    skip,
    boundsNoMemory,
    hasNoPromises: true,
    open: async () => {
      const sandbox = openProcessSandbox(nativeExecutor, { wallOf });
      return {
        sandbox,
        spec: (instance, group, limits) => confined(nativeSpec(program, { instance, group, limits })),
        cleanup: () => sandbox[Symbol.asyncDispose](),
      };
    },
  });
}

const program = compile(source);
for (const place of PLACES) contractOf("native", program, place);
const shadow = "the shadow memory of an address sanitizer is more than any limit";
contractOf("native, every access checked", compile(source, CHECKED), PLACES[0], shadow);
