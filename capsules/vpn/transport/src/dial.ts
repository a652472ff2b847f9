/** Opening a channel to a peer: one socket or connection of its own, a handshake, and a deadline over both. */
import type {
  Answer,
  BytesPower,
  CryptoPower,
  DriverClock,
  Endpoint,
  IdentityPower,
  TcpPower,
  UdpPower,
} from "@vnes/sdk/driver";
import type { Channel, ChannelTable } from "./channel-table.ts";
import type { Counters } from "./counters.ts";
import { refusal } from "./errors.ts";
import { createInitiator } from "./initiator.ts";
import { endpointText, type Link, type LinkKind, sameEndpoint, tcpLink, udpLink } from "./link.ts";
import { createMessageSplitter } from "./stream.ts";
import { FRAME, messageType } from "./wire.ts";

export interface DialParts {
  readonly clock: DriverClock;
  readonly crypto: CryptoPower;
  readonly bytes: BytesPower;
  readonly identity: IdentityPower;
  readonly udp: UdpPower | undefined;
  readonly tcp: TcpPower | undefined;
  readonly counters: Counters;
  readonly table: ChannelTable;
  readonly openTimeoutMs: number;
}

export interface Target {
  readonly pathId: string;
  readonly kind: LinkKind;
  readonly remote: Endpoint;
  /** Long-term public key, raw and in base64. */
  readonly key: Uint8Array;
  readonly peer: string;
}

/** First repetition of a message that was not answered; doubles up to the last. A stream loses nothing: none there. */
const REPEAT_FIRST_MS = 100;
const REPEAT_LAST_MS = 1000;
/** What the system says of a path it has no way over now; other errors of a send tell nothing of the path. */
const PATH_ERRORS = ["ENETUNREACH", "EHOSTUNREACH", "ENETDOWN", "EHOSTDOWN", "EADDRNOTAVAIL", "EPERM"];
/** Said during a handshake by somebody who is not the peer: a captive portal, another server, a forger. */
const FOREIGN = ["messageMalformed", "cookieForged", "streamBroken"];

/** Resolves `{ channelId }`, or why not. `signal.cancel` ends it early. */
export function dial(parts: DialParts, target: Target, signal: { cancel: () => void }): Promise<Answer> {
  const { clock, table, counters } = parts;
  const startedAt = clock.now();
  const remoteText = endpointText(target.remote);
  const refused = (reason: string) =>
    refusal("TRANSPORT_OPEN_REFUSED", { remote: remoteText, kind: target.kind, reason });
  const index = table.reserve(target.peer);
  if (index === null) return Promise.resolve(refused("too many channels are open"));
  const { crypto, bytes, identity } = parts;
  const initiator = createInitiator({ crypto, bytes, identity, responder: target.key, index });
  if (initiator === null) return Promise.resolve(refused("the peer's public key is not usable"));

  return new Promise((resolve) => {
    let link: Link | null = null;
    let origin: object = {};
    let channel: Channel | null = null;
    let done = false;
    let cancelRepeat = () => {};
    let foreign: string | null = null;
    const finish = (answer: Answer) => {
      if (done) return;
      done = true;
      cancelRepeat();
      cancelDeadline();
      if (channel === null) link?.close();
      resolve(answer);
    };
    /** Whoever was heard during the handshake and was not the peer is the better reason. */
    const failedWith = (answer: Answer) => {
      const told = { remote: remoteText, kind: target.kind, evidence: foreign ?? "" };
      finish(foreign === null ? answer : refusal("TRANSPORT_OPEN_FOREIGN", told));
    };
    const dropped = (why: string) => {
      counters.count(why);
      if (FOREIGN.includes(why)) foreign = why;
    };
    const timeout = () =>
      failedWith(
        refusal("TRANSPORT_OPEN_TIMEOUT", {
          remote: remoteText,
          kind: target.kind,
          timeoutMs: Math.round(clock.now() - startedAt),
          limitMs: parts.openTimeoutMs,
        }),
      );
    const cancelDeadline = clock.setTimer(parts.openTimeoutMs, timeout);
    signal.cancel = () => finish(refusal("TRANSPORT_STOPPED"));

    const sendCurrent = (repeatMs: number) => {
      link?.send(initiator.current());
      cancelRepeat();
      if (target.kind === "tcp") return;
      cancelRepeat = clock.setTimer(repeatMs, () => {
        counters.count("handshakeRepeated");
        sendCurrent(Math.min(2 * repeatMs, REPEAT_LAST_MS));
      });
    };
    const receive = (message: Uint8Array, remote: Endpoint) => {
      if (channel !== null) {
        if (messageType(message) === FRAME) table.deliver(message, origin, remote);
        else counters.count("messageUnexpected");
        return;
      }
      if (done) return;
      const step = initiator.receive(message);
      if (step.kind === "dropped") dropped(step.why);
      else if (step.kind === "send") sendCurrent(REPEAT_FIRST_MS);
      else if (link !== null) {
        const { pathId, peer } = target;
        channel = table.add({
          pathId,
          peer,
          role: "initiator",
          link,
          origin,
          index,
          sealed: step.sealed,
        });
        finish({ ok: true, value: { channelId: channel.id } });
      }
    };
    const connected = (over: Link, through: object) => {
      link = over;
      origin = through;
      if (done) over.close();
      else sendCurrent(REPEAT_FIRST_MS);
    };
    const failed = (cause: unknown) => {
      const code = (cause as { code?: string } | null)?.code ?? String(cause);
      if (code === "ETIMEDOUT") timeout();
      else finish(refused(code));
    };
    const lost = () => {
      if (channel !== null) table.close(channel, "connectionClosed", false);
      else failedWith(refused("the connection was closed during the handshake"));
    };
    const sendFailed = (code: string) => {
      counters.count(`udpError.${code}`);
      if (!PATH_ERRORS.includes(code)) return;
      if (channel === null) finish(refused(code));
      else table.sendFailed(channel, code);
    };
    if (target.kind === "udp") dialUdp(parts, target, receive, connected, sendFailed).catch(failed);
    else {
      const broken = () => {
        dropped("streamBroken");
        if (channel !== null) table.close(channel, "streamBroken", false);
      };
      dialTcp(parts, target, receive, connected, broken, lost).catch(failed);
    }
  });
}

async function dialUdp(
  parts: DialParts,
  target: Target,
  receive: (message: Uint8Array, remote: Endpoint) => void,
  connected: (link: Link, origin: object) => void,
  sendFailed: (code: string) => void,
): Promise<void> {
  if (!parts.udp) throw new Error("power net.udp is not granted");
  const socket = await parts.udp.open({
    address: target.remote.address.includes(":") ? "::" : "0.0.0.0",
    port: 0,
    onDatagram(message, remote) {
      if (sameEndpoint(remote, target.remote)) receive(message, remote);
      else parts.counters.count("datagramOtherRemote");
    },
    onError: sendFailed,
  });
  connected(udpLink(socket, target.remote, true), socket);
}

async function dialTcp(
  parts: DialParts,
  target: Target,
  receive: (message: Uint8Array, remote: Endpoint) => void,
  connected: (link: Link, origin: object) => void,
  broken: () => void,
  lost: () => void,
): Promise<void> {
  if (!parts.tcp) throw new Error("power net.tcp is not granted");
  const connection = await parts.tcp.connect({ ...target.remote, timeoutMs: parts.openTimeoutMs });
  const splitter = createMessageSplitter((message) => {
    receive(message, target.remote);
    return true;
  });
  const link = { ...tcpLink(connection), remote: target.remote };
  connection.receive((bytes) => {
    if (splitter.push(bytes)) return;
    broken();
    connection.abort();
  }, lost);
  connected(link, connection);
}
