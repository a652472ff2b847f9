/** What can go wrong between the kernel and a driver capsule. */
import { defineErrors, type ErrorTable } from "@vnes/schemas";

export type DeviceCode =
  | "DEVICE_DIED"
  | "DEVICE_START_FAILED"
  | "DEVICE_BUNDLE_BROKEN"
  | "DEVICE_CAPSULE_NOT_DRIVER"
  | "DEVICE_ENTRY_MISSING"
  | "DEVICE_POWER_UNKNOWN"
  | "DEVICE_KEY_PERMISSIONS"
  | "DEVICE_KEY_UNREADABLE"
  | "DEVICE_CALL_FAILED"
  | "DEVICE_ANSWER_INVALID"
  | "DEVICE_BUSY";

export const deviceErrors: ErrorTable<DeviceCode> = defineErrors({
  DEVICE_DIED: {
    message: "the process of driver {instance} is gone: {reason}",
    fault: "system",
    retry: true,
    remedy: "the node restarts it; vnes status shows whether it came back, the node's log why it died",
    exit: "failed",
  },
  DEVICE_START_FAILED: {
    message: "driver {instance} did not start: {reason}",
    fault: "user",
    retry: false,
    remedy: "correct what the reason names in the node's config.json, then: vnes boot",
    exit: "failed",
  },
  DEVICE_BUNDLE_BROKEN: {
    message: "the bundle {entry} of driver {instance} does not load: {reason}",
    fault: "capsule",
    retry: false,
    remedy: "vnes capsule build <dir>, then vnes capsule install <dir>",
    exit: "failed",
  },
  DEVICE_CAPSULE_NOT_DRIVER: {
    message: "{instance} is of type {type}; only driver capsules run in a device host",
    fault: "capsule",
    retry: false,
    remedy: 'set "type": "driver" in its manifest.json if it is one, then: vnes capsule build <dir>',
    exit: "policy",
  },
  DEVICE_ENTRY_MISSING: {
    message: "the image of {instance} has no file {entry}",
    fault: "capsule",
    retry: false,
    remedy: "vnes capsule build <dir>",
    exit: "failed",
  },
  DEVICE_POWER_UNKNOWN: {
    message: "there is no power called {power}",
    fault: "user",
    retry: false,
    remedy:
      "correct security.resources in the manifest; there are net.udp, net.tcp, crypto.channel and identity",
    exit: "policy",
  },
  DEVICE_KEY_PERMISSIONS: {
    message: "the node's key {file} may be read by others (mode {mode})",
    fault: "user",
    retry: false,
    remedy:
      "chmod 600 {file}; if others may have read it, delete it and the node makes a new one with a new public key",
    exit: "integrity",
  },
  DEVICE_KEY_UNREADABLE: {
    message: "the node's key {file} cannot be used: {reason}",
    fault: "user",
    retry: false,
    remedy:
      "restore {file} from a backup, or delete it: the node then makes a new one, and its peers must learn it",
    exit: "integrity",
  },
  DEVICE_CALL_FAILED: {
    message: "driver {instance} failed at {capability}.{method}: {reason}",
    fault: "capsule",
    retry: false,
    remedy: "report it to the capsule's owner with the node's log",
    exit: "failed",
  },
  DEVICE_ANSWER_INVALID: {
    message: "driver {instance} answered {capability}.{method} with something that is no answer",
    fault: "capsule",
    retry: false,
    remedy: "report it to the capsule's owner",
    exit: "failed",
  },
  DEVICE_BUSY: {
    message: "driver {instance} has {limit} calls in flight already",
    fault: "system",
    retry: true,
    remedy: "call again later",
    exit: "failed",
  },
});
