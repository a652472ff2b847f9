/** Real isolates for what simulated nodes recorded. */
import { isolateExecutor } from "@vnes/driver-isolate";
import { openHostSandbox } from "@vnes/driver-sandbox";
import type { Sandbox } from "@vnes/kernel";
import { SPEC } from "./again.ts";
import type { Built } from "./images.ts";

/** One host for all, which lives as long as something is open in it: a process for each shard would take most of the time. */
const GROUP = "again";

export async function openIsolates({ images }: Built): Promise<Sandbox> {
  const isolates = openHostSandbox(isolateExecutor);
  const [image] = images.values();
  if (image !== undefined) await isolates.open({ instance: "keeper/0", image, group: GROUP, ...SPEC });
  return {
    open: (spec) => isolates.open({ ...spec, group: GROUP }),
    [Symbol.asyncDispose]: () => isolates[Symbol.asyncDispose](),
  };
}
