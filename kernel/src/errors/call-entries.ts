/** Why a call from a capsule or from outside came to no answer. */
import type { ErrorEntry } from "@vnes/schemas";

export type CallCode =
  | "CALL_CAPABILITY_UNAVAILABLE"
  | "CALL_PROVIDER_AMBIGUOUS"
  | "CALL_METHOD_UNKNOWN"
  | "CALL_INPUT_INVALID"
  | "CALL_OUTPUT_INVALID"
  | "CALL_TIMEOUT"
  | "CALL_DROPPED_ON_RECOVERY"
  | "CALL_PROVIDER_CHANGED"
  | "CALL_INBOX_FULL"
  | "CALL_TOO_DEEP"
  | "CALL_NODE_UNREACHABLE";

export const callEntries: Readonly<Record<CallCode, ErrorEntry>> = {
  CALL_CAPABILITY_UNAVAILABLE: {
    message: "nothing active on this node provides {capability}",
    fault: "system",
    retry: true,
    remedy: "vnes capsule list",
    exit: "notFound",
  },
  CALL_PROVIDER_AMBIGUOUS: {
    message: "more than one capsule on this node provides {capability}: {providers}",
    fault: "user",
    retry: false,
    remedy: "vnes capsule unload one of them; for good: name those to run under capsules.run in config.json",
    exit: "conflict",
  },
  CALL_METHOD_UNKNOWN: {
    message: "{capability} has no method {method}; it has {methods}",
    fault: "user",
    retry: false,
    remedy: "vnes capsule inspect {provider}",
    exit: "usage",
  },
  CALL_INPUT_INVALID: {
    message: "the input of {capability}.{method} is refused at {pointer}: {problem}",
    fault: "user",
    retry: false,
    remedy: 'see $defs["{capability}.{method}.input"] in spec/schema.json of {provider}',
    exit: "usage",
  },
  CALL_OUTPUT_INVALID: {
    message: "{capability}.{method} answered with something its own schema refuses at {pointer}: {problem}",
    fault: "capsule",
    retry: false,
    remedy: "mend the capsule that provides {capability}",
    exit: "failed",
  },
  CALL_TIMEOUT: {
    message: "{capability}.{method} did not answer within {timeoutMs} ms; whether it ran is not known",
    fault: "system",
    retry: true,
    remedy: "vnes status",
    exit: "timeout",
  },
  CALL_DROPPED_ON_RECOVERY: {
    message: "the node restarted before {capability}.{method} answered, and its effect is not one to repeat",
    fault: "system",
    retry: true,
    remedy: "ask again",
    exit: "failed",
  },
  CALL_PROVIDER_CHANGED: {
    message:
      "{former} may have been given this call of {capability}.{method} before another capsule took its place; whether it ran is not known",
    fault: "system",
    retry: true,
    remedy: "find out what {former} did of it, then ask again",
    exit: "failed",
  },
  CALL_INBOX_FULL: {
    message: "{capsule} has {waiting} deliveries waiting, or calls of 64 MiB, and takes no more calls",
    fault: "system",
    retry: true,
    remedy: "ask again later; vnes capsule inspect {capsule}",
    exit: "failed",
  },
  CALL_TOO_DEEP: {
    message: "this call would be the {depth}th in a chain of calls; at most {limit} are allowed",
    fault: "capsule",
    retry: false,
    remedy: "look for capsules that call each other in a circle: vnes capsule inspect",
    exit: "failed",
  },
  CALL_NODE_UNREACHABLE: {
    message: "{waiting} effects wait for node {peer} already; the call was refused",
    fault: "system",
    retry: true,
    remedy:
      "look whether {peer} runs and whether the message server is reachable from both: vnes status there",
    elsewhere: true,
    exit: "failed",
  },
};
