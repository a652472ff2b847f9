/** Every language as a node runs it, behind the walls given. */
import type { WallOf } from "@vnes/driver-host";
import { isolateExecutor } from "@vnes/driver-isolate";
import { openHostSandbox, sandboxByLanguage } from "@vnes/driver-sandbox";
import type { Sandbox } from "@vnes/kernel";

export function openSandboxes(wallOf: WallOf): Sandbox {
  return sandboxByLanguage({ javascript: openHostSandbox(isolateExecutor, { wallOf }) });
}
