/** `Sandbox` of a process for each instance, which speaks the host protocol itself. No capsule's code runs in the kernel's process. */
import type { Wall } from "@vnes/driver-host";
import type { Sandbox, SandboxSpec } from "@vnes/kernel";
import type { ProcessExecutor } from "./executor.ts";
import { ProcessInstance } from "./process-instance.ts";

export interface ProcessSandboxOptions {
  /** What stands between the instance's process and the machine. Default: a process of its own and nothing more. */
  readonly wallOf?: (spec: SandboxSpec) => Wall;
}

export function openProcessSandbox(executor: ProcessExecutor, options: ProcessSandboxOptions = {}): Sandbox {
  const instances = new Set<ProcessInstance>();
  return {
    async open(spec) {
      const program = executor.program(spec);
      const bundle = executor.bundle(spec);
      const wall = options.wallOf?.(spec);
      const { language } = executor;
      const instance = new ProcessInstance(
        { spec, language, program, bundle, ...(wall === undefined ? {} : { wall }) },
        () => instances.delete(instance),
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
