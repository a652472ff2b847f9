/** What can go wrong between the kernel and the host its capsules run in; what a single turn can end with is `turnErrors`. */
import { defineErrors, type ErrorTable } from "@vnes/schemas";

export type SandboxCode = "SANDBOX_HOST_DIED" | "SANDBOX_BUNDLE_BROKEN" | "SANDBOX_HOST_START_FAILED";

export const sandboxErrors: ErrorTable<SandboxCode> = defineErrors({
  SANDBOX_HOST_DIED: {
    message: "the sandbox host of {group} is gone: {reason}",
    fault: "system",
    retry: true,
    remedy:
      "the node replaces it by itself; vnes status counts restarts, vnes capsule inspect names a capsule that keeps doing it",
    exit: "failed",
  },
  SANDBOX_BUNDLE_BROKEN: {
    message: "the bundle {entry} of {instance} does not load: {reason}",
    fault: "capsule",
    retry: false,
    remedy:
      "mend what it names (src/main.ts has capsule({...}) for its default export; docs/wasm.md is about modules), then: vnes capsule build <dir> && vnes capsule install <dir>",
    exit: "failed",
  },
  SANDBOX_HOST_START_FAILED: {
    message: "no sandbox host for {group}: {reason}",
    fault: "system",
    retry: true,
    remedy: "look at the reason and at free memory and processes of this machine: vnes doctor",
    exit: "failed",
  },
});
