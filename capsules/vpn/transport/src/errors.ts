/** What the transport answers when it cannot do as asked; switch on the code. */
import type { Answer, ErrorEntry } from "@vnes/sdk/driver";

const entries = {
  TRANSPORT_CONFIG_INVALID: {
    message: "the transport's configuration is wrong at {pointer}: {problem}",
    fault: "user",
    retry: false,
    remedy:
      'correct capsules.config["vnes.vpn.transport"] in the node\'s config.json and run vnes boot again',
    exit: "usage",
  },
  TRANSPORT_LISTEN_FAILED: {
    message: "listener {pathId} cannot listen on {kind} {address}:{port}: {reason}",
    fault: "user",
    retry: true,
    remedy: "free the port or choose another one for listener {pathId} in the node's config.json",
    exit: "conflict",
  },
  TRANSPORT_INPUT_INVALID: {
    message: "{method} was called with a wrong {field}",
    fault: "capsule",
    retry: false,
    remedy: "see the input definitions in spec/schema.json of vnes.vpn.transport",
    exit: "usage",
  },
  TRANSPORT_METHOD_UNKNOWN: {
    message: "the transport has no method {method}",
    fault: "capsule",
    retry: false,
    remedy: "see spec/schema.json of vnes.vpn.transport",
    exit: "usage",
  },
  TRANSPORT_OPEN_TIMEOUT: {
    message: "no answer that could be verified came from {remote} over {kind} in {timeoutMs} ms",
    fault: "system",
    retry: true,
    remedy:
      "check the address, the port and the peer's public key; a peer that does not know the key gets silence",
    exit: "timeout",
  },
  TRANSPORT_OPEN_REFUSED: {
    message: "no channel to {remote} over {kind}: {reason}",
    fault: "system",
    retry: true,
    remedy: "check that the peer's node runs and listens there: vnes status",
    exit: "failed",
  },
  TRANSPORT_OPEN_FOREIGN: {
    message: "what answers at {remote} over {kind} is not the peer ({evidence})",
    fault: "system",
    retry: true,
    remedy:
      "log in to the network, if it asks for that, or use another one; check the address, the port and the peer's public key",
    exit: "failed",
  },
  TRANSPORT_CHANNEL_UNKNOWN: {
    message: "there is no open channel {channelId}",
    fault: "system",
    retry: false,
    remedy: "open a new channel: a channel does not outlive its path or the transport's process",
    exit: "notFound",
  },
  TRANSPORT_FRAME_TOO_LARGE: {
    message: "the frame takes {bytes} bytes, at most {limit} fit",
    fault: "capsule",
    retry: false,
    remedy: "send smaller frames",
    exit: "failed",
  },
  TRANSPORT_BACKPRESSURE: {
    message: "channel {channelId} has more than {limit} bytes waiting",
    fault: "system",
    retry: true,
    remedy: "send again later or over another channel",
    exit: "failed",
  },
  TRANSPORT_STOPPED: {
    message: "the transport is stopping",
    fault: "system",
    retry: true,
    remedy: "start the node again: vnes boot",
    exit: "failed",
  },
} as const satisfies { readonly [code: string]: ErrorEntry };

export type TransportCode = keyof typeof entries;

type Details = { readonly [name: string]: string | number };

/** In the form of every other package's table, for the error reference. */
export const transportErrors: { readonly entries: Readonly<Record<TransportCode, ErrorEntry>> } = { entries };

export function refusal(code: TransportCode, details: Details = {}): Answer {
  return { ok: false, code, message: describe(code, details), details };
}

/** For what stops the driver from starting. */
export class TransportError extends Error {
  readonly code: TransportCode;

  constructor(code: TransportCode, details: Details) {
    super(describe(code, details));
    this.name = "TransportError";
    this.code = code;
  }
}

function describe(code: TransportCode, details: Details): string {
  return entries[code].message.replace(/\{(\w+)\}/g, (whole, name: string) => String(details[name] ?? whole));
}
