/** What only the memory drivers can answer with; whoever meets these wrote the simulation. */
import { defineErrors, type ErrorTable } from "@vnes/schemas";

export const memoryErrors: ErrorTable<
  "MEMORY_BUNDLE_MISSING" | "MEMORY_HOST_DIED" | "MEMORY_DRIVER_MISSING"
> = defineErrors({
  MEMORY_BUNDLE_MISSING: {
    message: "the memory sandbox was given no bundle for {instance}",
    fault: "user",
    retry: false,
    remedy: "add it to the table the sandbox was made with",
    exit: "usage",
  },
  MEMORY_HOST_DIED: {
    message: "the simulation killed the host of {instance}",
    fault: "system",
    retry: true,
    remedy: "nothing: the run asked for it",
    exit: "failed",
  },
  MEMORY_DRIVER_MISSING: {
    message: "the memory device was given no driver for {instance}",
    fault: "user",
    retry: false,
    remedy: "add it to the table the device was made with",
    exit: "usage",
  },
});
