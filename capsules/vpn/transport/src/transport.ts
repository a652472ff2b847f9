/**
 * The transport: the methods of `vpn.transport` over listeners, dials, channels and the pipe. Which path is good and
 * which channel should carry a session is decided by capsules; this reports and obeys.
 */
import {
  type Answer,
  type DriverRuntime,
  type Json,
  type JsonObject,
  needPower,
  type Powers,
} from "@vnes/sdk/driver";
import { createActiveTable } from "./active.ts";
import { createAddressWatch } from "./addresses.ts";
import { CHANNEL_TOPIC, type Channel, createChannelTable } from "./channel-table.ts";
import { parseConfig, parseKey } from "./config.ts";
import { createCounters } from "./counters.ts";
import { type DialParts, dial } from "./dial.ts";
import { refusal } from "./errors.ts";
import { isFrame } from "./frame-json.ts";
import { endpointText, MAX_BUFFERED_BYTES } from "./link.ts";
import { type Listener, openListener } from "./listen.ts";
import { createPipe } from "./pipe.ts";
import { createResponder } from "./responder.ts";
import { MAX_PAYLOAD_BYTES, PAYLOAD_CONTROL, PAYLOAD_DATA, PAYLOAD_KEEPALIVE } from "./wire.ts";

const CAPABILITY = "vpn.transport";
/** Handshakes we start at once; a client with more candidates than this has other troubles. */
const MAX_DIALS = 64;
/** Characters of a reason given to `close`; the peer is told no more than this. */
const MAX_REASON = 64;
/** Channels that are asked about at once. */
const MAX_ASKED = 256;

export async function startTransport(powers: Powers, rawConfig: Json): Promise<DriverRuntime> {
  const { clock, bytes } = powers;
  const config = parseConfig(rawConfig, bytes);
  const crypto = needPower(powers, "crypto.channel");
  const identity = needPower(powers, "identity");
  const udp = powers["net.udp"];
  const tcp = powers["net.tcp"];
  const counters = createCounters();
  const active = createActiveTable();
  const dials = new Set<{ cancel: () => void }>();
  const listeners: Listener[] = [];
  let stopped = false;

  const activeChannel = (peer: string): Channel | null => {
    const id = active.channelOf(peer);
    const channel = id === null ? undefined : table.get(id);
    return channel && channel.peer === peer && channel.state === "open" ? channel : null;
  };
  const pipe = createPipe({
    udp,
    clock,
    counters,
    config: config.pipe,
    activeChannel,
    sendData: (channel, packet) => void table.send(channel, PAYLOAD_DATA, packet),
  });
  const table = createChannelTable({
    clock,
    crypto,
    bytes,
    config,
    counters,
    publish: (key, event) => {
      powers.publish(CHANNEL_TOPIC, key, event);
      if (event["event"] === "opened") addressWatch.update();
    },
    onData: (channel, packet) => pipe.receive(channel, packet),
    onClosed: (channel) => {
      if (!table.hasPeer(channel.peer)) active.forget(channel.peer);
      addressWatch.update();
    },
  });
  const ownKey = bytes.toBase64(identity.publicKey);
  const addressWatch = createAddressWatch({
    clock,
    everyMs: config.addressMs,
    addresses: () => udp?.addresses() ?? [],
    isNeeded: () => !stopped && table.all().some((channel) => channel.role === "initiator"),
    onChange: ({ gone, came }) =>
      powers.publish(CHANNEL_TOPIC, ownKey, {
        event: "addressesChanged",
        peer: ownKey,
        gone: [...gone],
        came: [...came],
      }),
  });
  const responder = createResponder({
    crypto,
    bytes,
    identity,
    now: clock.now(),
    handshakesPerSecond: config.limits.handshakesPerSecond,
    handshakesPerRemote: config.limits.handshakesPerRemote,
  });

  const stop = () => {
    stopped = true;
    addressWatch.stop();
    for (const one of dials) one.cancel();
    for (const channel of table.all()) table.close(channel, "transportStopped", true);
    for (const listener of listeners) listener.close();
    pipe.stop();
  };

  const open = async (input: JsonObject): Promise<Answer> => {
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
    if (dials.size >= MAX_DIALS) {
      const remote = endpointText({ address, port });
      return refusal("TRANSPORT_OPEN_REFUSED", { remote, kind, reason: "too many opens in flight" });
    }
    const { openTimeoutMs } = config;
    const parts: DialParts = {
      clock,
      crypto,
      bytes,
      identity,
      udp,
      tcp,
      counters,
      table,
      openTimeoutMs,
    };
    const signal = { cancel: () => {} };
    dials.add(signal);
    try {
      return await dial(parts, { pathId, kind, remote: { address, port }, key, peer }, signal);
    } finally {
      dials.delete(signal);
    }
  };

  const send = (input: JsonObject): Answer => {
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

  const close = (input: JsonObject): Answer => {
    const { channelId, reason } = input;
    if (typeof channelId !== "string") return wrongInput("close", "channelId");
    if (typeof reason !== "string" || reason.length > MAX_REASON) return wrongInput("close", "reason");
    const channel = table.get(channelId);
    if (channel) table.close(channel, reason, true);
    return { ok: true, value: { closed: channel !== undefined } };
  };

  const setActive = (input: JsonObject): Answer => {
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

  const channels = (input: JsonObject): Answer => {
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

  const status = (): Answer => ({
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

  const call = (capability: string, method: string, input: Json): Answer | Promise<Answer> => {
    if (stopped) return refusal("TRANSPORT_STOPPED");
    if (capability !== CAPABILITY)
      return refusal("TRANSPORT_METHOD_UNKNOWN", { method: `${capability}.${method}` });
    if (typeof input !== "object" || input === null || Array.isArray(input))
      return wrongInput(method, "input");
    const given = input as JsonObject;
    if (method === "open") return open(given);
    if (method === "send") return send(given);
    if (method === "close") return close(given);
    if (method === "setActive") return setActive(given);
    if (method === "channels") return channels(given);
    if (method === "status") return status();
    return refusal("TRANSPORT_METHOD_UNKNOWN", { method });
  };

  try {
    for (const one of config.listen) {
      const toBase64 = (key: Uint8Array) => bytes.toBase64(key);
      const parts = { clock, udp, tcp, config, counters, responder, table, toBase64 };
      listeners.push(await openListener(parts, one));
    }
    await pipe.start();
  } catch (cause) {
    stop();
    throw cause;
  }
  // Channels of an earlier process died without a word; whoever remembers any learns it from this.
  powers.publish(CHANNEL_TOPIC, ownKey, { event: "started", peer: ownKey });
  /** The other ends learn it at once; who would wait for their silence may be bound elsewhere by then. */
  const leaseLost = () => {
    counters.count("leaseLost");
    for (const channel of table.all()) table.close(channel, "leaseLost", true);
  };
  return { call, stop, leaseLost };
}

function isText(value: Json): value is string {
  return typeof value === "string";
}

function wrongInput(method: string, field: string): Answer {
  return refusal("TRANSPORT_INPUT_INVALID", { method, field });
}

function endpointOrNull(endpoint: { readonly address: string; readonly port: number } | null): Json {
  return endpoint === null ? null : { address: endpoint.address, port: endpoint.port };
}
