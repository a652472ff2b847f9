import { defineErrors, type ErrorTable } from "@vnes/schemas";

export type ConfineCode = "WALL_NOT_POSSIBLE";

export const confineErrors: ErrorTable<ConfineCode> = defineErrors({
  WALL_NOT_POSSIBLE: {
    message: "no wall can be put up on this machine: {missing}",
    fault: "system",
    retry: false,
    remedy: "vnes doctor says what to install",
    exit: "policy",
  },
});
