/** What any ledger store may answer with, whichever driver it is. */
import { defineErrors, type ErrorTable } from "@vnes/schemas";

export const ledgerErrors: ErrorTable<
  | "LEDGER_SEQUENCE_CONFLICT"
  | "LEDGER_IN_USE"
  | "LEDGER_DISK_FULL"
  | "LEDGER_FILE_CORRUPT"
  | "LEDGER_FORMAT_UNKNOWN"
  | "LEDGER_IO_FAILED"
  | "LEDGER_CLOSED"
  | "LEDGER_RECORD_TOO_LARGE"
  | "LEDGER_UNREACHABLE"
  | "LEDGER_CLAIMED"
  | "LEDGER_NOT_OWNED"
  | "LEDGER_LEASE_LOST"
> = defineErrors({
  LEDGER_SEQUENCE_CONFLICT: {
    message:
      "shard {shard} ends at record {lastSeq}, not at {expectedSeq}: somebody else wrote to it; nothing was kept",
    fault: "system",
    retry: false,
    remedy: "the shard has another owner now: restart this node, it continues from what the ledger holds",
    exit: "conflict",
  },
  LEDGER_IN_USE: {
    message: "the ledger {path} is in use by {owner}",
    fault: "user",
    retry: true,
    remedy:
      "stop the node that uses it, or boot with another ledger (vnes boot --data-dir DIR; on NATS another bus.namespace)",
    exit: "conflict",
  },
  LEDGER_DISK_FULL: {
    message: "no space left for the ledger {path}; nothing of the refused records was kept",
    fault: "system",
    retry: true,
    remedy:
      "free space on the disk of {path}: a node that runs goes on by itself, one that refused to boot is booted again",
    exit: "failed",
  },
  LEDGER_FILE_CORRUPT: {
    message: "the ledger {path} is damaged{where}: {problem}",
    fault: "system",
    retry: false,
    remedy:
      "keep the file as it is and see how far the damage goes (vnes ledger verify; on NATS vnes doctor), then restore the data directory from a copy and check the disk",
    exit: "integrity",
  },
  LEDGER_FORMAT_UNKNOWN: {
    message: "{path} is not a ledger this version can read: {problem}",
    fault: "user",
    retry: false,
    remedy:
      "boot with the version of vnes that wrote it, or with another directory: vnes boot --data-dir DIR",
    exit: "usage",
  },
  LEDGER_IO_FAILED: {
    message: "the ledger {path} could not be read or written: {problem}",
    fault: "system",
    retry: false,
    remedy: "look at the disk and the permissions of {path}, then boot again; what was acknowledged is kept",
    exit: "failed",
  },
  LEDGER_CLOSED: {
    message: "the ledger {path} is closed",
    fault: "system",
    retry: false,
    remedy: "boot the node again: vnes boot",
    exit: "failed",
  },
  LEDGER_RECORD_TOO_LARGE: {
    message: "an append to {shard} holds {size} {unit}; at most {limit} are allowed",
    fault: "capsule",
    retry: false,
    remedy: "let the capsule keep smaller values and publish smaller events",
    exit: "failed",
  },
  LEDGER_UNREACHABLE: {
    message:
      "the ledger {path} confirms nothing since {seconds} s ({problem}); what was sent may be kept or not and is asked again",
    fault: "system",
    retry: true,
    remedy: "see that its servers run and can be reached: vnes doctor; the node goes on by itself",
    exit: "timeout",
  },
  LEDGER_CLAIMED: {
    message: "the ledger {path} was claimed by {owner}; this node is fenced and writes nothing more to it",
    fault: "system",
    retry: false,
    remedy: "one node owns a ledger: stop one of the two, then boot this one again",
    exit: "conflict",
  },
  LEDGER_LEASE_LOST: {
    message:
      "the ledger has not confirmed for too long that this node owns {groups}: another node may; devices are stopped and calls refused",
    fault: "system",
    retry: true,
    remedy: "see that the ledger's servers run and can be reached: vnes doctor; the node goes on by itself",
    exit: "conflict",
  },
  LEDGER_NOT_OWNED: {
    message: "shard {shard} is in ledger group {group}, which this node does not own",
    fault: "user",
    retry: false,
    remedy: "ask the node that owns the group, or change bus.owns in the configuration of both",
    exit: "conflict",
  },
});
