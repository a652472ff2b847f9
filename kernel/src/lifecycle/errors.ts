import { defineErrors, type ErrorTable } from "@vnes/schemas";

export const lifecycleErrors: ErrorTable<"LIFECYCLE_TRANSITION_ILLEGAL"> = defineErrors({
  LIFECYCLE_TRANSITION_ILLEGAL: {
    message: "a capsule that is {state} cannot be {event}",
    fault: "user",
    retry: false,
    remedy:
      "vnes capsule list shows the states; a capsule that is unloaded or quarantined comes back with the next boot",
    exit: "conflict",
  },
});
