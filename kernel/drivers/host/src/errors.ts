/** What can go wrong with a host process before anything is said about what runs in it. */
import { defineErrors, type ErrorTable } from "@vnes/schemas";

export type HostCode =
  | "HOST_START_FAILED"
  | "HOST_WALL_MISSING"
  | "HOST_PROTOCOL_VERSION"
  | "HOST_PROTOCOL_FRAME_TOO_LARGE"
  | "HOST_PROTOCOL_FRAME_INVALID";

export const hostErrors: ErrorTable<HostCode> = defineErrors({
  HOST_START_FAILED: {
    message: "the host process {host} did not start: {reason}",
    fault: "system",
    retry: true,
    remedy: "look at the reason and at free memory and processes of this machine: vnes doctor",
    exit: "failed",
  },
  HOST_WALL_MISSING: {
    message: "a host of zone {zone} is to stand behind a wall, and this program puts none up",
    fault: "system",
    retry: false,
    remedy: "start the node with: vnes boot",
    exit: "policy",
  },
  HOST_PROTOCOL_VERSION: {
    message: "the host process {host} speaks version {theirs} of the host protocol, this kernel {ours}",
    fault: "system",
    retry: false,
    remedy: "install all of vnes in one version: npm ci",
    exit: "failed",
  },
  HOST_PROTOCOL_FRAME_TOO_LARGE: {
    message: "a message of {size} bytes does not fit a host's frame of {limit}",
    fault: "capsule",
    retry: false,
    remedy: "let the capsule keep smaller values and ask for fewer keys at once",
    exit: "failed",
  },
  HOST_PROTOCOL_FRAME_INVALID: {
    message: "what came over the host protocol is no message: {reason}",
    fault: "system",
    retry: false,
    remedy: "the host is replaced by itself; if it comes again, report it with the node's log",
    exit: "failed",
  },
});
