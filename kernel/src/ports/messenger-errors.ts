/** What any messenger may answer with, whichever driver it is. */
import { defineErrors, type ErrorTable } from "@vnes/schemas";

export const messengerErrors: ErrorTable<
  | "MESSENGER_DISCONNECTED"
  | "MESSENGER_SLOW"
  | "MESSENGER_BUSY"
  | "MESSENGER_TIMEOUT"
  | "MESSENGER_REFUSED"
  | "MESSENGER_SERVICE_UNKNOWN"
  | "MESSENGER_PAYLOAD_TOO_LARGE"
  | "MESSENGER_SUBJECT_INVALID"
  | "MESSENGER_CLOSED"
> = defineErrors({
  MESSENGER_DISCONNECTED: {
    message: "node {node} has no connection to the others; nothing was sent to {to}",
    fault: "system",
    retry: true,
    remedy: "look at the message server and the way to it; the node connects again by itself: vnes doctor",
    exit: "failed",
  },
  MESSENGER_SLOW: {
    message: "the connection of node {node} does not keep up; nothing was sent to {to}",
    fault: "system",
    retry: true,
    remedy: "send less at once, or look at the network and the message server: vnes doctor",
    exit: "failed",
  },
  MESSENGER_BUSY: {
    message: "{limit} requests wait at node {node} already; this one was refused",
    fault: "system",
    retry: true,
    remedy: "ask less at once; vnes status shows what waits",
    exit: "failed",
  },
  MESSENGER_TIMEOUT: {
    message: "node {to} did not answer {service} within {timeoutMs} ms",
    fault: "system",
    retry: true,
    remedy: "look whether {to} runs: vnes status there",
    elsewhere: true,
    exit: "timeout",
  },
  MESSENGER_REFUSED: {
    message: "node {to} refused {service}: {code} {problem}",
    fault: "system",
    retry: false,
    remedy: "look at what {code} says, and at node {to}: vnes status there",
    elsewhere: true,
    exit: "failed",
  },
  MESSENGER_SERVICE_UNKNOWN: {
    message: "node {node} answers for no service {service}",
    fault: "system",
    retry: true,
    remedy: "wait until the node has booted, and run the same version of vnes on every node",
    exit: "notFound",
  },
  MESSENGER_PAYLOAD_TOO_LARGE: {
    message: "a message of {size} bytes to {to} is larger than the {limit} allowed",
    fault: "capsule",
    retry: false,
    remedy: "publish smaller events, or keep the large part in state and publish where it is",
    exit: "failed",
  },
  MESSENGER_SUBJECT_INVALID: {
    message: "{subject} cannot be a subject: letters, digits, dots, dashes and underscores, at most {limit}",
    fault: "user",
    retry: false,
    remedy: "give the node or the topic a plain name",
    exit: "usage",
  },
  MESSENGER_CLOSED: {
    message: "the messenger of node {node} is closed",
    fault: "system",
    retry: false,
    remedy: "boot the node again: vnes boot",
    exit: "failed",
  },
});
