/** Listeners: what arrives at a UDP port or over an accepted TCP connection, until it belongs to a channel. */
import type { DriverClock, Endpoint, TcpConnection, TcpPower, UdpPower } from "@vnes/sdk/driver";
import type { Channel, ChannelTable } from "./channel-table.ts";
import type { ListenConfig, TransportConfig } from "./config.ts";
import type { Counters } from "./counters.ts";
import { TransportError } from "./errors.ts";
import { type Link, type LinkKind, tcpLink, udpLink } from "./link.ts";
import type { Responder } from "./responder.ts";
import { createMessageSplitter, prefixLength } from "./stream.ts";
import { encodeIndex, FRAME, messageType, PAYLOAD_READY } from "./wire.ts";

export interface Listener extends Endpoint {
  readonly pathId: string;
  readonly kind: LinkKind;
  close(): void;
}

export interface ListenParts {
  readonly clock: DriverClock;
  readonly udp: UdpPower | undefined;
  readonly tcp: TcpPower | undefined;
  readonly config: TransportConfig;
  readonly counters: Counters;
  readonly responder: Responder;
  readonly table: ChannelTable;
  toBase64(bytes: Uint8Array): string;
}

export async function openListener(parts: ListenParts, config: ListenConfig): Promise<Listener> {
  try {
    return config.kind === "udp" ? await listenUdp(parts, config) : await listenTcp(parts, config);
  } catch (cause) {
    const { pathId, kind, address, port } = config;
    const reason = cause instanceof Error ? ((cause as { code?: string }).code ?? cause.message) : "unknown";
    throw new TransportError("TRANSPORT_LISTEN_FAILED", { pathId, kind, address, port, reason });
  }
}

/** What a handshake message led to: a reply to send, or the channel it made or repeated, or a drop already counted. */
type Outcome =
  | { readonly reply: Uint8Array }
  | { readonly channel: Channel; readonly made: boolean }
  | { readonly dropped: string };

function receiveHandshake(
  parts: ListenParts,
  config: ListenConfig,
  message: Uint8Array,
  origin: object,
  link: Link,
): Outcome {
  const { responder, table, counters } = parts;
  const drop = (why: string): Outcome => {
    counters.count(why);
    return { dropped: why };
  };
  const via = `${config.kind} ${config.pathId}`;
  const step = responder.receive(message, link.remote, via, parts.clock.now());
  if (step.kind === "reply") return { reply: step.message };
  if (step.kind === "dropped") return drop(step.why);
  if (step.kind === "repeated") {
    const channel = table.at(step.index);
    if (!channel || channel.state !== "unconfirmed") return drop("cookieReplayed");
    counters.count("initiateRepeated");
    return { channel, made: false };
  }
  const peer = parts.toBase64(step.peer);
  const index = table.reserve(peer);
  if (index === null) return drop("channelsFull");
  const sealed = step.open(index);
  if (sealed === null) return drop("cookiesFull");
  const { pathId } = config;
  const channel = table.add({ pathId, peer, role: "responder", link, origin, index, sealed });
  return { channel, made: true };
}

async function listenUdp(parts: ListenParts, config: ListenConfig): Promise<Listener> {
  if (!parts.udp) throw new Error("power net.udp is not granted");
  const { table, counters } = parts;
  const origin = {};
  const socket = await parts.udp.open({
    address: config.address,
    port: config.port,
    onDatagram(message, remote) {
      if (messageType(message) === FRAME) return table.deliver(message, origin, remote);
      const outcome = receiveHandshake(parts, config, message, origin, udpLink(socket, remote, false));
      if ("reply" in outcome) socket.send(outcome.reply, remote);
      else if ("channel" in outcome) sendReady(table, outcome.channel);
    },
    onError: (code) => counters.count(`udpError.${code}`),
  });
  return { pathId: config.pathId, kind: "udp", ...socket.local, close: () => socket.close() };
}

async function listenTcp(parts: ListenParts, config: ListenConfig): Promise<Listener> {
  if (!parts.tcp) throw new Error("power net.tcp is not granted");
  const { counters } = parts;
  const pending = new Set<TcpConnection>();
  const listener = await parts.tcp.listen({
    address: config.address,
    port: config.port,
    onConnection(connection) {
      if (pending.size >= parts.config.limits.pendingConnections) {
        counters.count("connectionsPendingFull");
        connection.abort();
        return;
      }
      acceptTcp(parts, config, connection, pending);
    },
    onError: (code) => counters.count(`tcpError.${code}`),
  });
  return {
    pathId: config.pathId,
    kind: "tcp",
    ...listener.local,
    close() {
      listener.close();
      for (const connection of pending) connection.abort();
    },
  };
}

/** A connection is a stranger until it has a channel: one wrong byte, or too much time, ends it without a word. */
function acceptTcp(
  parts: ListenParts,
  config: ListenConfig,
  connection: TcpConnection,
  pending: Set<TcpConnection>,
): void {
  const { table, counters } = parts;
  const link = tcpLink(connection);
  let channel: Channel | null = null;
  pending.add(connection);
  const cancelDeadline = parts.clock.setTimer(parts.config.handshakeMs, () => {
    if (channel !== null) return;
    counters.count("connectionHandshakeTimeout");
    connection.abort();
  });
  const settled = () => {
    pending.delete(connection);
    cancelDeadline();
  };
  const receiveFromStranger = (message: Uint8Array): boolean => {
    const outcome = receiveHandshake(parts, config, message, connection, link);
    if ("reply" in outcome) {
      connection.write(prefixLength(outcome.reply));
      return true;
    }
    if (!("channel" in outcome) || !outcome.made) return false;
    channel = outcome.channel;
    settled();
    sendReady(table, channel);
    return true;
  };
  const splitter = createMessageSplitter((message) => {
    if (channel === null) return receiveFromStranger(message);
    if (messageType(message) === FRAME) table.deliver(message, connection, connection.remote);
    else counters.count("messageUnexpected");
    return true;
  });
  connection.receive(
    (bytes) => {
      if (splitter.push(bytes)) return;
      counters.count(channel === null ? "connectionRefused" : "streamBroken");
      if (channel !== null) table.close(channel, "streamBroken", false);
      connection.abort();
    },
    () => {
      settled();
      if (channel !== null) table.close(channel, "connectionClosed", false);
    },
  );
}

function sendReady(table: ChannelTable, channel: Channel): void {
  table.send(channel, PAYLOAD_READY, encodeIndex(channel.index));
}
