/**
 * The open channels of this node: who is at the other end, over what, and when something was last heard. It turns
 * authenticated frames into events and reports what only concerns a path; it decides nothing about sessions.
 *
 * T1. A frame counts only if it came through the socket and from the address its channel was opened over.
 * T2. A responder's channel is reported opened by its first authenticated frame, so a capsule never hears of a
 *     handshake that was not finished.
 * T3. `opened` comes first and `closed` last, each once; nothing is reported of a channel in between that was not opened.
 * T4. A send that the system refused is reported once; what is heard after no send was refused for
 *     the silence time takes it back.
 */
import type { BytesPower, CryptoPower, DriverClock, Endpoint, JsonObject } from "@vnes/sdk/driver";
import { type Bucket, createBucket } from "./buckets.ts";
import type { TransportConfig } from "./config.ts";
import type { Counters } from "./counters.ts";
import { parseFrame } from "./frame-json.ts";
import { endpointText, type Link, sameEndpoint } from "./link.ts";
import { createLiveness, type Liveness } from "./liveness.ts";
import type { Sealed } from "./sealed.ts";
import {
  decodeSilence,
  encodeSilence,
  frameIndex,
  PAYLOAD_CLOSE,
  PAYLOAD_CONTROL,
  PAYLOAD_DATA,
  PAYLOAD_KEEPALIVE,
  PAYLOAD_READY,
} from "./wire.ts";

export const CHANNEL_TOPIC = "vpn.channel.v1";

export interface ChannelOpening {
  readonly pathId: string;
  /** Long-term public key in base64. */
  readonly peer: string;
  readonly role: "initiator" | "responder";
  readonly link: Link;
  /** The socket, listener or connection its messages must come through. */
  readonly origin: object;
  readonly index: number;
  readonly sealed: Sealed;
}

export interface Channel extends ChannelOpening {
  readonly id: string;
  readonly live: Liveness;
  readonly openedAt: number;
  readonly control: Bucket;
  /** When the system last refused to send over its path; null: that is over. */
  refusedAt: number | null;
  state: "unconfirmed" | "open" | "closed";
  cancelTimer: () => void;
}

export type SendOutcome = "sent" | "backpressure" | "closed";

export interface ChannelTable {
  /** An index nobody uses; null when there is no room for a channel of this peer. */
  reserve(peer: string): number | null;
  add(opening: ChannelOpening): Channel;
  /** A message of type frame. */
  deliver(message: Uint8Array, origin: object, remote: Endpoint): void;
  send(channel: Channel, kind: number, payload: Uint8Array): SendOutcome;
  /** The system refused to send over the channel's path, with its code. */
  sendFailed(channel: Channel, code: string): void;
  /** Does nothing to a channel that is closed. */
  close(channel: Channel, reason: string, tellPeer: boolean): void;
  get(id: string): Channel | undefined;
  at(index: number): Channel | undefined;
  hasPeer(peer: string): boolean;
  /** Whether any was opened from here. */
  hasDialled(): boolean;
  all(): readonly Channel[];
}

export interface ChannelTableOptions {
  readonly clock: DriverClock;
  readonly crypto: CryptoPower;
  readonly bytes: BytesPower;
  readonly config: TransportConfig;
  readonly counters: Counters;
  publish(key: string, event: JsonObject): void;
  onData(channel: Channel, payload: Uint8Array): void;
  /** After `closed` was reported. */
  onClosed(channel: Channel): void;
}

const EMPTY = new Uint8Array(0);
/** Bytes of a peer's reason that are reported. */
const MAX_REASON_BYTES = 64;

export function createChannelTable(options: ChannelTableOptions): ChannelTable {
  const { clock, crypto, bytes, config, counters } = options;
  const byIndex = new Map<number, Channel>();
  const byId = new Map<string, Channel>();
  const peers = new Map<string, number>();
  let dialled = 0;

  const report = (channel: Channel, event: string, more: JsonObject = {}) => {
    const { id: channelId, pathId, peer } = channel;
    options.publish(peer, { event, channelId, pathId, peer, ...more });
  };

  const reportOpened = (channel: Channel) => {
    channel.state = "open";
    report(channel, "opened", { role: channel.role, remote: endpointText(channel.link.remote) });
  };

  const send = (channel: Channel, kind: number, payload: Uint8Array): SendOutcome => {
    if (channel.state === "closed") return "closed";
    const message = channel.sealed.seal(kind, payload);
    if (message === null) {
      counters.count("counterExhausted");
      close(channel, "counterExhausted", false);
      return "closed";
    }
    channel.live.sent(clock.now());
    if (channel.link.send(message)) return "sent";
    counters.count("sendBackpressure");
    return "backpressure";
  };

  const close = (channel: Channel, reason: string, tellPeer: boolean, more: JsonObject = {}) => {
    if (channel.state === "closed") return;
    const reported = channel.state === "open";
    if (tellPeer) send(channel, PAYLOAD_CLOSE, bytes.fromUtf8(reason).subarray(0, MAX_REASON_BYTES));
    if (byId.get(channel.id) !== channel) return; // sealing the farewell found the counter used up and closed it
    channel.state = "closed";
    channel.cancelTimer();
    byIndex.delete(channel.index);
    byId.delete(channel.id);
    if (channel.role === "initiator") dialled--;
    const left = (peers.get(channel.peer) ?? 1) - 1;
    if (left > 0) peers.set(channel.peer, left);
    else peers.delete(channel.peer);
    channel.link.close();
    if (reported) report(channel, "closed", { reason, ...more });
    options.onClosed(channel);
  };

  /** Says how long nothing was heard, if that is long. */
  const keepAlive = (channel: Channel) => {
    const deafMs = channel.live.deafMs(clock.now());
    send(channel, PAYLOAD_KEEPALIVE, deafMs === 0 ? EMPTY : encodeSilence(deafMs));
  };

  const arm = (channel: Channel) => {
    channel.cancelTimer();
    const afterMs = Math.max(0, channel.live.wakeAt() - clock.now());
    channel.cancelTimer = clock.setTimer(afterMs, () => tick(channel));
  };

  const tick = (channel: Channel) => {
    const now = clock.now();
    if (channel.state === "unconfirmed" && now >= channel.openedAt + config.handshakeMs) {
      counters.count("handshakeUnconfirmed");
      close(channel, "handshakeTimeout", false);
      return;
    }
    for (const due of channel.live.tick(now)) {
      if (due.kind === "keepalive") {
        // The Ready that opens the channel is repeated on request; until it is confirmed there is nothing to keep alive.
        if (channel.state === "open") keepAlive(channel);
        else channel.live.sent(now);
      } else if (due.kind === "silent") {
        const { silentMs, direction } = due;
        report(channel, "pathSilent", { silentMs, direction, limitMs: config.silentMs });
        // Where the path still delivers the other way, the other end learns at once that it is not heard.
        if (channel.state === "open") keepAlive(channel);
      } else {
        close(channel, "pathDead", true, { silentMs: due.silentMs, limitMs: config.deadMs });
      }
      if (channel.state === "closed") return;
    }
    arm(channel);
  };

  const receiveControl = (channel: Channel, payload: Uint8Array) => {
    if (!channel.control.take(clock.now())) {
      counters.count("frameRate");
      return;
    }
    const frame = parseFrame(bytes, payload);
    if (frame === null) counters.count("frameNotJson");
    else report(channel, "frame", { frame });
  };

  /** A keepalive tells whether its sender hears us; no other frame does. */
  const tellsOfUs = (kind: number, payload: Uint8Array): number | null =>
    kind === PAYLOAD_KEEPALIVE ? decodeSilence(payload) : null;

  /** Whether sends were refused and are not any more: what is heard the moment after tells nothing of them. */
  const isOver = ({ refusedAt, live }: Channel, now: number): boolean =>
    refusedAt !== null && now - refusedAt >= config.silentMs && !live.silent();

  const heard = (channel: Channel, unheardMs: number | null) => {
    const now = clock.now();
    const wasDeaf = channel.live.deafMs(now) > 0;
    const news = channel.live.received(now, unheardMs);
    if (news?.kind === "silent") {
      const { silentMs, direction } = news;
      report(channel, "pathSilent", { silentMs, direction });
    } else if (news?.kind === "alive" || isOver(channel, now)) {
      channel.refusedAt = null;
      report(channel, "pathAlive");
    }
    if (wasDeaf && channel.state === "open") keepAlive(channel);
  };

  const dispatch = (channel: Channel, kind: number, payload: Uint8Array) => {
    if (kind === PAYLOAD_KEEPALIVE) return;
    if (kind === PAYLOAD_CONTROL) receiveControl(channel, payload);
    else if (kind === PAYLOAD_DATA) options.onData(channel, payload);
    else if (kind === PAYLOAD_CLOSE) {
      const detail = bytes.toUtf8(payload.subarray(0, MAX_REASON_BYTES)) ?? "";
      close(channel, "peerClosed", false, { detail });
    } else counters.count(kind === PAYLOAD_READY ? "readyRepeated" : "frameUnknownKind");
  };

  return {
    reserve(peer) {
      if (byIndex.size >= config.limits.channels) return null;
      if ((peers.get(peer) ?? 0) >= config.limits.channelsPerPeer) return null;
      for (;;) {
        const random = crypto.random(4);
        const index = new DataView(random.buffer, random.byteOffset, 4).getUint32(0);
        if (!byIndex.has(index)) return index;
      }
    },
    add(opening) {
      const now = clock.now();
      const channel: Channel = {
        ...opening,
        id: `chn_${hex(crypto.random(10))}`,
        live: createLiveness(config, now),
        openedAt: now,
        control: createBucket(config.limits.framesPerSecond, 2 * config.limits.framesPerSecond),
        refusedAt: null,
        state: "unconfirmed",
        cancelTimer: () => {},
      };
      byIndex.set(channel.index, channel);
      byId.set(channel.id, channel);
      if (channel.role === "initiator") dialled++;
      peers.set(channel.peer, (peers.get(channel.peer) ?? 0) + 1);
      if (channel.role === "initiator") {
        channel.live.received(now, null);
        reportOpened(channel);
        // The responder waits for this to believe that its Ready arrived.
        send(channel, PAYLOAD_KEEPALIVE, EMPTY);
      }
      arm(channel);
      return channel;
    },
    deliver(message, origin, remote) {
      const channel = byIndex.get(frameIndex(message));
      if (!channel) return counters.count("frameUnknownChannel");
      if (channel.origin !== origin || !sameEndpoint(channel.link.remote, remote)) {
        return counters.count("frameOtherPath");
      }
      const opened = channel.sealed.open(message);
      if (typeof opened === "string") return counters.count(opened);
      if (channel.state === "unconfirmed") reportOpened(channel);
      heard(channel, tellsOfUs(opened.kind, opened.payload));
      dispatch(channel, opened.kind, opened.payload);
    },
    send,
    sendFailed(channel, code) {
      if (channel.state !== "open") return;
      const isNews = channel.refusedAt === null;
      channel.refusedAt = clock.now();
      if (isNews) report(channel, "sendFailed", { code });
    },
    close,
    get: (id) => byId.get(id),
    at: (index) => byIndex.get(index),
    hasPeer: (peer) => peers.has(peer),
    hasDialled: () => dialled > 0,
    all: () => [...byId.values()],
  };
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
