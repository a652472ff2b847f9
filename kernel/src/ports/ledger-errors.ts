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
    message: "the ledger {path} is in use by another process (pid {pid})",
    fault: "user",
    retry: true,
    remedy: "stop the node that uses this data directory, or boot with another one: vnes boot --data-dir DIR",
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
    remedy: "keep the file as it is, restore the data directory from a copy, and check the disk; vnes doctor",
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
});
