/** `Sandbox` of a process for each instance, which speaks the host protocol itself. No capsule's code runs in the kernel's process. */
import { type WallOf, wallsMissing } from "@vnes/driver-host";
import type { Sandbox } from "@vnes/kernel";
import type { ProcessExecutor } from "./executor.ts";
import { ProcessInstance } from "./process-instance.ts";

export interface ProcessSandboxOptions {
  /** Default: none, and a spec that asks for a wall is refused. */
  readonly wallOf?: WallOf;
}

export function openProcessSandbox(
  executor: ProcessExecutor,
  { wallOf = wallsMissing }: ProcessSandboxOptions = {},
): Sandbox {
  const instances = new Set<ProcessInstance>();
  return {
    async open(spec) {
      const program = executor.program(spec);
      const bundle = executor.bundle(spec);
      const wall = wallOf(spec.confinement);
      const { language } = executor;
      const instance = new ProcessInstance({ spec, language, program, bundle, wall }, () =>
        instances.delete(instance),
      );
      instances.add(instance);
      try {
        await instance.start();
      } catch (cause) {
        await instance.kill();
        throw cause;
      }
      return instance;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...instances].map((instance) => instance.kill()));
    },
  };
}
