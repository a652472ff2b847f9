/** The methods of `vpn.transport`: what each takes, what it refuses, and what it asks of the channels. */
import type { Answer, BytesPower, Json, JsonObject } from "@vnes/sdk/driver";
import type { ActiveTable } from "./active.ts";
import type { ChannelTable } from "./channel-table.ts";
import { parseKey } from "./config.ts";
import type { Counters } from "./counters.ts";
import type { Target } from "./dial.ts";
import { refusal } from "./errors.ts";
import { isFrame } from "./frame-json.ts";
import { endpointText, MAX_BUFFERED_BYTES } from "./link.ts";
import type { Listener } from "./listen.ts";
import type { Pipe } from "./pipe.ts";
import { MAX_PAYLOAD_BYTES, PAYLOAD_CONTROL, PAYLOAD_KEEPALIVE } from "./wire.ts";

/** Characters of a reason given to `close`; the peer is told no more than this. */
const MAX_REASON = 64;
/** Channels that are asked about at once. */
const MAX_ASKED = 256;

export type Method = (input: JsonObject) => Answer | Promise<Answer>;

export interface MethodParts {
  readonly bytes: BytesPower;
  readonly counters: Counters;
  readonly active: ActiveTable;
  readonly table: ChannelTable;
  readonly pipe: Pipe;
  readonly listeners: readonly Listener[];
  /** Public key in base64. */
  readonly ownKey: string;
  /** Opens a channel from here. */
  dial(target: Target): Promise<Answer>;
}

export function createMethods(parts: MethodParts): ReadonlyMap<string, Method> {
  const { bytes, counters, active, table, pipe, listeners, ownKey } = parts;

  const open: Method = (input) => {
    const { pathId, kind, address, port, peer } = input;
    if (typeof pathId !== "string" || pathId === "" || pathId.length > 64)
      return wrongInput("open", "pathId");
    if (kind !== "udp" && kind !== "tcp") return wrongInput("open", "kind");
    if (typeof address !== "string" || !/^[0-9a-fA-F.:]{2,45}$/.test(address))
      return wrongInput("open", "address");
    if (typeof port !== "number" || !Number.isInteger(port) || port < 1 || port > 65_535) {
      return wrongInput("open", "port");
    }
    const key = parseKey(bytes, peer);
    if (key === null || typeof peer !== "string") return wrongInput("open", "peer");
    return parts.dial({ pathId, kind, remote: { address, port }, key, peer });
  };

  const send: Method = (input) => {
    const { channelId, frame, padTo = 0 } = input;
    if (typeof channelId !== "string") return wrongInput("send", "channelId");
    if (!isFrame(frame)) return wrongInput("send", "frame");
    if (typeof padTo !== "number" || !Number.isInteger(padTo) || padTo < 0 || padTo > MAX_PAYLOAD_BYTES) {
      return wrongInput("send", "padTo");
    }
    const channel = table.get(channelId);
    if (!channel || channel.state !== "open") return refusal("TRANSPORT_CHANNEL_UNKNOWN", { channelId });
    // Blanks after a JSON text mean nothing.
    const payload = bytes.fromUtf8(JSON.stringify(frame).padEnd(padTo));
    if (payload.length > MAX_PAYLOAD_BYTES) {
      return refusal("TRANSPORT_FRAME_TOO_LARGE", { bytes: payload.length, limit: MAX_PAYLOAD_BYTES });
    }
    const outcome = table.send(channel, PAYLOAD_CONTROL, payload);
    if (outcome === "sent") return { ok: true, value: { sent: true } };
    if (outcome === "closed") return refusal("TRANSPORT_CHANNEL_UNKNOWN", { channelId });
    return refusal("TRANSPORT_BACKPRESSURE", { channelId, limit: MAX_BUFFERED_BYTES });
  };

  const close: Method = (input) => {
    const { channelId, reason } = input;
    if (typeof channelId !== "string") return wrongInput("close", "channelId");
    if (typeof reason !== "string" || reason.length > MAX_REASON) return wrongInput("close", "reason");
    const channel = table.get(channelId);
    if (channel) table.close(channel, reason, true);
    return { ok: true, value: { closed: channel !== undefined } };
  };

  const setActive: Method = (input) => {
    const { peer, channelId, epoch, session = "" } = input;
    if (typeof peer !== "string" || parseKey(bytes, peer) === null) return wrongInput("setActive", "peer");
    if (channelId !== null && typeof channelId !== "string") return wrongInput("setActive", "channelId");
    if (typeof epoch !== "number" || !Number.isSafeInteger(epoch) || epoch < 0) {
      return wrongInput("setActive", "epoch");
    }
    if (typeof session !== "string") return wrongInput("setActive", "session");
    const channel = channelId === null ? null : table.get(channelId);
    const exists = channel !== undefined && (channel === null || channel.peer === peer);
    if (table.hasPeer(peer) && !active.set(peer, { channelId, epoch, session })) {
      counters.count("setActiveStale");
      return { ok: true, value: { applied: false, epoch: active.epochOf(peer) } };
    }
    // The choice stands even so: whatever was active before is not any more.
    if (!exists) return refusal("TRANSPORT_CHANNEL_UNKNOWN", { channelId: channelId ?? "null" });
    // The other end learns at once where to expect packets from.
    if (channel && pipe.activeChanged(peer) === 0) table.send(channel, PAYLOAD_KEEPALIVE, new Uint8Array(0));
    return { ok: true, value: { applied: true, epoch } };
  };

  const channels: Method = (input) => {
    const { channelIds } = input;
    if (!Array.isArray(channelIds) || channelIds.length > MAX_ASKED || !channelIds.every(isText)) {
      return wrongInput("channels", "channelIds");
    }
    const found = channelIds.flatMap((id: string) => table.get(id) ?? []);
    return {
      ok: true,
      value: {
        channels: found.map((channel) => ({
          channelId: channel.id,
          silent: channel.live.silent(),
          active: active.channelOf(channel.peer) === channel.id,
        })),
        unknown: channelIds.filter((id: string) => table.get(id) === undefined),
      },
    };
  };

  const status: Method = () => ({
    ok: true,
    value: {
      publicKey: ownKey,
      listeners: listeners.map(({ pathId, kind, address, port }) => ({ pathId, kind, address, port })),
      channels: table.all().map((channel) => ({
        channelId: channel.id,
        pathId: channel.pathId,
        peer: channel.peer,
        role: channel.role,
        kind: channel.link.kind,
        remote: endpointText(channel.link.remote),
        state: channel.state,
        silent: channel.live.silent(),
        active: active.channelOf(channel.peer) === channel.id,
      })),
      pipe: { listen: endpointOrNull(pipe.local()), queued: pipe.queued() },
      counters: counters.all(),
    },
  });

  return new Map(Object.entries({ open, send, close, setActive, channels, status }));
}

export function wrongInput(method: string, field: string): Answer {
  return refusal("TRANSPORT_INPUT_INVALID", { method, field });
}

function endpointOrNull(endpoint: { readonly address: string; readonly port: number } | null): Json {
  return endpoint === null ? null : { address: endpoint.address, port: endpoint.port };
}

function isText(value: Json): value is string {
  return typeof value === "string";
}
