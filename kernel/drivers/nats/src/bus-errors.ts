/** What can be wrong between a node and its NATS servers, apart from what any ledger store may answer with. */
import { defineErrors, type ErrorTable } from "@vnes/schemas";

export const busErrors: ErrorTable<
  | "BUS_UNREACHABLE"
  | "BUS_ADDRESS_INVALID"
  | "BUS_REFUSED"
  | "BUS_SECRET_UNUSABLE"
  | "BUS_TOO_OLD"
  | "BUS_PAYLOAD_TOO_SMALL"
  | "BUS_NO_JETSTREAM"
  | "BUS_STREAM_UNAVAILABLE"
  | "BUS_STREAM_WRONG"
  | "BUS_REPLICAS_IMPOSSIBLE"
> = defineErrors({
  BUS_UNREACHABLE: {
    message: "no NATS server answers at {servers}: {problem}",
    fault: "system",
    retry: true,
    remedy: "start one (nats-server -js -sd DIR), or name another: vnes boot --bus nats://HOST:PORT",
    exit: "failed",
  },
  BUS_ADDRESS_INVALID: {
    message: "{address} is no address of a NATS server: {problem}",
    fault: "user",
    retry: false,
    remedy: "write nats://HOST:PORT, several with commas; credentials belong into the configuration file",
    exit: "usage",
  },
  BUS_REFUSED: {
    message: "the NATS server at {servers} refuses this node: {problem}",
    fault: "user",
    retry: false,
    remedy:
      "look at bus.credentials or bus.login in the node's configuration file, and at the server's accounts",
    exit: "policy",
  },
  BUS_SECRET_UNUSABLE: {
    message: "the file {file} is of no use to a NATS server: {problem}",
    fault: "user",
    retry: false,
    remedy: "mend the file, or bus.credentials or bus.login in the node's configuration file, which names it",
    exit: "usage",
  },
  BUS_TOO_OLD: {
    message: "the NATS server at {server} is version {version}; {oldest} is the oldest that can be used",
    fault: "user",
    retry: false,
    remedy: "install nats-server {oldest} or newer, then boot again",
    exit: "failed",
  },
  BUS_PAYLOAD_TOO_SMALL: {
    message:
      "the NATS server at {server} takes messages of {bytes} bytes at most; {least} is the least that can be used",
    fault: "user",
    retry: false,
    remedy: "set max_payload: 1MB on every server, then boot again",
    exit: "failed",
  },
  BUS_NO_JETSTREAM: {
    message: "the NATS server at {server} keeps no streams: {problem}",
    fault: "user",
    retry: false,
    remedy: "switch JetStream on: nats-server -js -sd DIR; with accounts, allow it for this node's account",
    exit: "failed",
  },
  BUS_STREAM_UNAVAILABLE: {
    message: "the stream {stream} has no server that answers for it: {problem}",
    fault: "system",
    retry: true,
    remedy: "see that more than half of the NATS servers run, then boot again: nats server report jetstream",
    exit: "failed",
  },
  BUS_STREAM_WRONG: {
    message: "the stream {stream} is not as this node needs it: {problem}",
    fault: "user",
    retry: false,
    remedy: "use another bus.namespace, or the settings the stream was made with",
    exit: "usage",
  },
  BUS_REPLICAS_IMPOSSIBLE: {
    message: "the servers cannot keep {replicas} copies of {stream}: {problem}",
    fault: "user",
    retry: false,
    remedy: "start more servers in the cluster, or set bus.replicas to 1",
    exit: "failed",
  },
});
