/** What carries the messages of one channel: a remote behind a UDP socket, or a TCP connection. */
import type { Endpoint, TcpConnection, UdpSocket } from "@vnes/sdk/driver";
import { prefixLength } from "./stream.ts";

export type LinkKind = "udp" | "tcp";

export interface Link {
  readonly kind: LinkKind;
  readonly remote: Endpoint;
  /** False when the message was not taken because too much waits already. */
  send(message: Uint8Array): boolean;
  /** What was sent leaves first. */
  close(): void;
}

/** Waiting longer than this much data takes on a slow path helps nobody: the sender is told instead. */
export const MAX_BUFFERED_BYTES = 256 * 1024;

/** `owned`: the socket serves this link alone and closes with it. */
export function udpLink(socket: UdpSocket, remote: Endpoint, owned: boolean): Link {
  return {
    kind: "udp",
    remote,
    send(message) {
      socket.send(message, remote);
      return true;
    },
    close() {
      if (owned) socket.close();
    },
  };
}

export function tcpLink(connection: TcpConnection): Link {
  return {
    kind: "tcp",
    remote: connection.remote,
    send(message) {
      if (connection.buffered() > MAX_BUFFERED_BYTES) return false;
      connection.write(prefixLength(message));
      return true;
    },
    close: () => connection.close(),
  };
}

export function sameEndpoint(a: Endpoint, b: Endpoint): boolean {
  return a.port === b.port && a.address === b.address;
}

/** `address:port`, an IPv6 address in brackets. */
export function endpointText(endpoint: Endpoint): string {
  const address = endpoint.address.includes(":") ? `[${endpoint.address}]` : endpoint.address;
  return `${address}:${endpoint.port}`;
}
