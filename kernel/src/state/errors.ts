/** Why state cannot be read, or a branch of it not made. */
import { defineErrors, type ErrorTable } from "@vnes/schemas";

export type StateCode =
  | "STATE_OWNER_UNKNOWN"
  | "STATE_SHARD_UNKNOWN"
  | "STATE_NOT_SHARED"
  | "STATE_UNAVAILABLE";

export const stateErrors: ErrorTable<StateCode> = defineErrors({
  STATE_OWNER_UNKNOWN: {
    message: "no capsule {capsule} in service here has keys",
    fault: "user",
    retry: true,
    remedy: "vnes capsule list",
    exit: "notFound",
  },
  STATE_SHARD_UNKNOWN: {
    message: "capsule {capsule} has {shards} shards, counted from 0, and {shard} names none of them",
    fault: "user",
    retry: false,
    remedy: "name one of them: --shard on the command line, shard in turn.read",
    exit: "usage",
  },
  STATE_NOT_SHARED: {
    message: "capsule {capsule} does not share {what} with {reader}",
    fault: "capsule",
    retry: false,
    remedy:
      "the owner shares a prefix with state.shares in its manifest.json; call a capability of it otherwise",
    exit: "policy",
  },
  STATE_UNAVAILABLE: {
    message: "the state of shard {shard} cannot be told: the ledger does not take its latest records",
    fault: "system",
    retry: true,
    remedy: "vnes status",
    exit: "failed",
  },
});
