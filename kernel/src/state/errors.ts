/** Why state cannot be read, or a branch of it not made. */
import { defineErrors, type ErrorTable } from "@vnes/schemas";

export type StateCode =
  | "STATE_OWNER_UNKNOWN"
  | "STATE_SHARD_UNKNOWN"
  | "STATE_SHARD_ELSEWHERE"
  | "STATE_NOT_SHARED"
  | "STATE_READ_FORBIDDEN"
  | "STATE_UNAVAILABLE"
  | "STATE_SHARD_EMPTY"
  | "STATE_SEQ_UNKNOWN"
  | "STATE_BUSY"
  | "BRANCH_UNKNOWN"
  | "BRANCH_EXISTS"
  | "BRANCH_NAME_INVALID"
  | "BRANCH_TOO_MANY"
  | "BRANCH_TOO_LARGE"
  | "BRANCH_FULL"
  | "BRANCH_INPUT_INVALID"
  | "BRANCH_OTHER_STATE"
  | "BRANCH_RECORD_INVALID"
  | "BRANCH_TURN_STOPPED";

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
  STATE_SHARD_ELSEWHERE: {
    message: "shard {shard} belongs to node {node}",
    fault: "user",
    retry: false,
    remedy: "ask there: vnes state",
    elsewhere: true,
    exit: "notFound",
  },
  STATE_NOT_SHARED: {
    message: "capsule {capsule} does not share {what} with {reader}",
    fault: "capsule",
    retry: false,
    remedy:
      "the owner shares a prefix with state.shares in its manifest.json; call a capability of it otherwise",
    exit: "policy",
  },
  STATE_READ_FORBIDDEN: {
    message: "{reader} may not read keys of {capsule}: {why}",
    fault: "capsule",
    retry: false,
    remedy: "name {capsule} under access in policy.json, with use read and {reader} under to, if it should",
    exit: "policy",
  },
  STATE_UNAVAILABLE: {
    message: "the state of shard {shard} cannot be told: the ledger does not take its latest records",
    fault: "system",
    retry: true,
    remedy: "vnes status",
    exit: "failed",
  },
  STATE_SHARD_EMPTY: {
    message: "shard {shard} has no records in this node's ledger",
    fault: "user",
    retry: false,
    remedy: "vnes capsule list names the capsules of the node; vnes capsule inspect their shards",
    exit: "notFound",
  },
  STATE_SEQ_UNKNOWN: {
    message: "shard {shard} has no record {seq} yet; its last is {last}",
    fault: "user",
    retry: true,
    remedy: "name a record from 1 to {last}",
    exit: "notFound",
  },
  STATE_BUSY: {
    message: "{limit} walks through the history of shards are under way on this node already",
    fault: "system",
    retry: true,
    remedy: "try again when one of them has ended",
    exit: "conflict",
  },
  BRANCH_UNKNOWN: {
    message: "this node has no branch {name}",
    fault: "user",
    retry: false,
    remedy: "vnes state branch list",
    exit: "notFound",
  },
  BRANCH_EXISTS: {
    message: "there is a branch {name} already, of {parent} at record {from}",
    fault: "user",
    retry: false,
    remedy: "choose another --name, or discard it first: vnes state branch discard {name}",
    exit: "conflict",
  },
  BRANCH_NAME_INVALID: {
    message: "a branch cannot be called {name}",
    fault: "user",
    retry: false,
    remedy: "use 1 to {limit} lower-case letters, digits and dashes, a letter first",
    exit: "usage",
  },
  BRANCH_TOO_MANY: {
    message: "this node has {limit} branches already",
    fault: "user",
    retry: false,
    remedy: "vnes state branch list; vnes state branch discard what is not needed any more",
    exit: "conflict",
  },
  BRANCH_TOO_LARGE: {
    message:
      "the state of {parent} at record {from} takes {size} bytes; a branch begins with at most {limit}",
    fault: "user",
    retry: false,
    remedy: "vnes state at and vnes state diff look at a state of any size",
    exit: "failed",
  },
  BRANCH_FULL: {
    message: "branch {name} has run {turns} turns of {size} bytes; at most {limit} and {sizeLimit}",
    fault: "user",
    retry: false,
    remedy: "begin a branch at a later record of the parent, or feed it fewer records",
    exit: "failed",
  },
  BRANCH_INPUT_INVALID: {
    message: "branch {name} of {capsule} cannot be given that: {problem}",
    fault: "user",
    retry: false,
    remedy: "see spec/schema.json and bus.subscribes of {capsule}: vnes capsule inspect {capsule}",
    exit: "usage",
  },
  BRANCH_OTHER_STATE: {
    message:
      "{name} is a branch of {parent} and {other} one of {otherParent}: their keys have nothing in common",
    fault: "user",
    retry: false,
    remedy: "compare branches of one shard: vnes state branch list",
    exit: "usage",
  },
  BRANCH_RECORD_INVALID: {
    message: "record {seq} of branch {name} cannot be read: {problem}",
    fault: "system",
    retry: false,
    remedy: "the branch was written by another version of vnes, or changed: vnes state branch discard {name}",
    exit: "integrity",
  },
  BRANCH_TURN_STOPPED: {
    message: "branch {name} could not run its turn: {problem}",
    fault: "capsule",
    retry: true,
    remedy: "nothing of that turn was kept; what ran before it is: vnes state branch show {name}",
    exit: "failed",
  },
});
