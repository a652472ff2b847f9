/** What becomes of a capsule on a node, from its start to its end. */
import type { ErrorEntry } from "@vnes/schemas";

export type CapsuleCode =
  | "CAPSULE_UNKNOWN"
  | "CAPSULE_QUARANTINED"
  | "CAPSULE_START_FAILED"
  | "CAPSULE_ZONE_UNCONFINED"
  | "CAPSULE_INTERFACE_UNSUPPORTED"
  | "CAPSULE_DUPLICATE"
  | "CAPSULE_IMAGE_DENIED"
  | "CAPSULE_IMAGE_UNREADABLE"
  | "CAPSULE_DEPENDENT"
  | "CAPSULE_ENDS_HOST"
  | "CAPSULE_KEEPS_KILLING"
  | "CAPSULE_POISONED"
  | "CAPSULE_PLACEMENT_CHANGED"
  | "CAPSULE_SHARDS_CHANGED"
  | "CAPSULE_DOWN"
  | "CAPSULE_DIVERGED"
  | "CAPSULE_SUSPENDED"
  | "CAPSULE_SLOWED"
  | "CAPSULE_OVER_BUDGET"
  | "CAPSULE_IN_USE";

export const capsuleEntries: Readonly<Record<CapsuleCode, ErrorEntry>> = {
  CAPSULE_UNKNOWN: {
    message: "this node knows no capsule {capsule}",
    fault: "user",
    retry: false,
    remedy: "vnes capsule list",
    exit: "notFound",
  },
  CAPSULE_QUARANTINED: {
    message: "this node refused capsule {capsule} when it booted, for {code}, and keeps it in quarantine",
    fault: "capsule",
    retry: false,
    remedy: "vnes quarantine show {entry}",
    exit: "policy",
  },
  CAPSULE_START_FAILED: {
    message: "capsule {capsule} did not start: {problem}",
    fault: "capsule",
    retry: false,
    remedy:
      "mend what the message names: its configuration, under capsules.config in the node's config.json, or the capsule, whose origin vnes capsule inspect {id} shows; then boot again: vnes boot. For TURN_DEADLINE or TURN_MEMORY that may be all; if it is not, ask for more with runtime.timeout_ms or memory_limit_mb in manifest.json, which policy.json bounds",
    exit: "failed",
  },
  CAPSULE_ZONE_UNCONFINED: {
    message: "capsule {capsule} belongs to zone {zone}, and this node cannot confine it: {missing}",
    fault: "system",
    retry: false,
    remedy:
      "vnes doctor says what to install; where nothing can be harmed, boot with --unconfined-dev to run it without its wall",
    exit: "policy",
  },
  CAPSULE_INTERFACE_UNSUPPORTED: {
    message: "capsule {capsule} has no interface this node can run; it offers {interfaces}",
    fault: "capsule",
    retry: false,
    remedy:
      "let interfaces in manifest.json name javascript, wasm, python or native, and build again: vnes capsule build <dir>",
    exit: "policy",
  },
  CAPSULE_DUPLICATE: {
    message:
      "{origin} holds another image of {capsule}, which was already found at {first}; the first one counts",
    fault: "user",
    retry: false,
    remedy: "remove one of the two, or install the one you mean: vnes capsule install",
    exit: "conflict",
  },
  CAPSULE_IMAGE_DENIED: {
    message: "image {image} of {capsule} was denied on this node: {reason}",
    fault: "capsule",
    retry: false,
    remedy: "install a mended version: vnes capsule install",
    exit: "policy",
  },
  CAPSULE_IMAGE_UNREADABLE: {
    message: "{origin} could not be read: {problem}",
    fault: "system",
    retry: true,
    remedy: "look at the file named, then boot again",
    exit: "failed",
  },
  CAPSULE_DEPENDENT: {
    message: "capsule {capsule} needs {provider}, which is not active: {problem}",
    fault: "capsule",
    retry: false,
    remedy: "vnes capsule inspect {provider}",
    exit: "failed",
  },
  CAPSULE_ENDS_HOST: {
    message: "capsule {capsule} ended the sandbox host that it had for itself while it was loaded: {reason}",
    fault: "capsule",
    retry: true,
    remedy:
      "mend what it does when it is loaded (in TypeScript the top level of src/main.ts); then: vnes capsule build <dir> && vnes capsule install <dir>, and boot again",
    exit: "failed",
  },
  CAPSULE_KEEPS_KILLING: {
    message: "capsule {capsule} killed the sandbox host of {shard} {kills} times within {windowMs} ms",
    fault: "capsule",
    retry: false,
    remedy:
      "vnes capsule inspect {capsule}; mend it and install the new version, or vnes capsule resume {capsule}",
    exit: "failed",
  },
  CAPSULE_POISONED: {
    message:
      "{kills} deliveries of kept events killed the sandbox host of {shard} within {windowMs} ms: capsule {capsule} rests for {restMs} ms",
    fault: "capsule",
    retry: true,
    remedy:
      "vnes topic tail vnes.deadletter.v1 names the events; it goes on behind them by itself, or at once with vnes capsule resume {capsule}",
    exit: "failed",
  },
  CAPSULE_PLACEMENT_CHANGED: {
    message: "capsule {capsule} has records in shard {shard} and would go on without them in {now}",
    fault: "capsule",
    retry: false,
    remedy:
      "set state.placement in manifest.json back, or give the node a bus.namespace or a directory of its own: what the shard holds is not moved",
    exit: "policy",
  },
  CAPSULE_SHARDS_CHANGED: {
    message:
      "capsule {capsule} now declares {now} shards, its ledger has {before}; the number is fixed for its life",
    fault: "capsule",
    retry: false,
    remedy: "set state.shards in manifest.json back to {before} and build again",
    exit: "policy",
  },
  CAPSULE_DOWN: {
    message: "capsule {capsule} is {state}: {reason}",
    fault: "capsule",
    retry: false,
    remedy: "vnes capsule inspect {capsule}",
    exit: "failed",
  },
  CAPSULE_DIVERGED: {
    message:
      "capsule {capsule} is not deterministic: run again, record {seq} of {shard} comes out otherwise ({what})",
    fault: "capsule",
    retry: false,
    remedy:
      "vnes replay {capsule} shows the turn and both values; mend the capsule, or say a weaker determinism_tier, then vnes capsule resume {capsule}",
    exit: "integrity",
  },
  CAPSULE_SUSPENDED: {
    message: "capsule {capsule} is suspended and answers nobody",
    fault: "user",
    retry: true,
    remedy: "vnes capsule resume {capsule}",
    exit: "conflict",
  },
  CAPSULE_SLOWED: {
    message: "capsule {capsule} uses more than its budget of {by} and is slowed down to it",
    fault: "capsule",
    retry: true,
    remedy: "vnes capsule inspect {capsule} shows what it uses; the budget of its zone is in policy.json",
    exit: "failed",
  },
  CAPSULE_OVER_BUDGET: {
    message:
      "capsule {capsule} was slowed down for {ms} ms over its budget of {by} for zone {zone} and is suspended",
    fault: "capsule",
    retry: true,
    remedy: "vnes capsule resume {capsule}, with a larger budget in policy.json where it needs one",
    exit: "policy",
  },
  CAPSULE_IN_USE: {
    message: "capsule {capsule} is needed by {by}",
    fault: "user",
    retry: false,
    remedy: "unload what needs it first, or suspend it instead: vnes capsule suspend {capsule}",
    exit: "conflict",
  },
};
