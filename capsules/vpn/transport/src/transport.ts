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
import { parseConfig } from "./config.ts";
import { createCounters } from "./counters.ts";
import { dial, type Target } from "./dial.ts";
import { refusal } from "./errors.ts";
import { endpointText } from "./link.ts";
import { type Listener, openListener } from "./listen.ts";
import { createMethods, wrongInput } from "./methods.ts";
import { createPipe } from "./pipe.ts";
import { createResponder } from "./responder.ts";
import { PAYLOAD_DATA } from "./wire.ts";

const CAPABILITY = "vpn.transport";
/** Handshakes we start at once; a client with more candidates than this has other troubles. */
const MAX_DIALS = 64;

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
    isNeeded: () => !stopped && table.hasDialled(),
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

  const dialWithin = async (target: Target): Promise<Answer> => {
    if (dials.size >= MAX_DIALS) {
      const { kind, remote } = target;
      const reason = "too many opens in flight";
      return refusal("TRANSPORT_OPEN_REFUSED", { remote: endpointText(remote), kind, reason });
    }
    const { openTimeoutMs } = config;
    const parts = { clock, crypto, bytes, identity, udp, tcp, counters, table, openTimeoutMs };
    const signal = { cancel: () => {} };
    dials.add(signal);
    try {
      return await dial(parts, target, signal);
    } finally {
      dials.delete(signal);
    }
  };
  const methods = createMethods({
    ...{ bytes, counters, active, table, pipe, listeners, ownKey },
    dial: dialWithin,
  });

  const call = (capability: string, method: string, input: Json): Answer | Promise<Answer> => {
    if (stopped) return refusal("TRANSPORT_STOPPED");
    if (capability !== CAPABILITY)
      return refusal("TRANSPORT_METHOD_UNKNOWN", { method: `${capability}.${method}` });
    if (typeof input !== "object" || input === null || Array.isArray(input))
      return wrongInput(method, "input");
    const run = methods.get(method);
    return run ? run(input as JsonObject) : refusal("TRANSPORT_METHOD_UNKNOWN", { method });
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
