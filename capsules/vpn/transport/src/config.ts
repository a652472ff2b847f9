/** What the node's configuration may say to the transport, parsed once; every number has a default and bounds. */
import { configReader } from "@vnes/sdk/config";
import type { BytesPower, Endpoint, Json, JsonObject } from "@vnes/sdk/driver";
import { TransportError } from "./errors.ts";
import type { LinkKind } from "./link.ts";
import type { Rhythm } from "./liveness.ts";
import { KEY_BYTES } from "./wire.ts";

export interface ListenConfig extends Endpoint {
  readonly pathId: string;
  readonly kind: LinkKind;
}

export interface Limits {
  /** Handshake messages worked on in a second, from everybody together and from one address. */
  readonly handshakesPerSecond: number;
  readonly handshakesPerRemote: number;
  readonly channels: number;
  readonly channelsPerPeer: number;
  /** Control frames of one channel handed to capsules in a second. */
  readonly framesPerSecond: number;
  /** TCP connections without a channel. */
  readonly pendingConnections: number;
}

export interface PipeConfig {
  readonly listen?: Endpoint;
  /** The peer whose active channel carries what comes in at `listen`; base64. */
  readonly peer?: string;
  readonly forward?: Endpoint;
}

export interface TransportConfig extends Rhythm {
  readonly listen: readonly ListenConfig[];
  readonly openTimeoutMs: number;
  /** A responder's channel that is not confirmed, and a TCP connection without a channel, live so long. */
  readonly handshakeMs: number;
  readonly limits: Limits;
  readonly pipe: PipeConfig;
  /** How often the machine's addresses are looked at while a channel opened from here is open; 0: never. */
  readonly addressMs: number;
}

const MAX_LISTENERS = 16;
const ENDPOINT = ["address", "port"];

const read = configReader(wrong);

export function parseConfig(config: Json, bytes: BytesPower): TransportConfig {
  const root = read.object(config ?? {}, "", [
    "listen",
    "keepaliveMs",
    "silentMs",
    "deadMs",
    "openTimeoutMs",
    "handshakeMs",
    "limits",
    "pipe",
    "addressMs",
  ]);
  const listen = root["listen"] ?? [];
  if (!Array.isArray(listen) || listen.length > MAX_LISTENERS) {
    throw wrong("/listen", `expected a list of at most ${MAX_LISTENERS}`);
  }
  const listeners = listen.map((item: Json, i) => parseListen(item, `/listen/${i}`));
  const twice = listeners.find((one, i) => listeners.findIndex((other) => other.pathId === one.pathId) < i);
  if (twice) throw wrong("/listen", `two listeners are called ${twice.pathId}`);
  const keepaliveMs = read.number(root, "keepaliveMs", "", 50, 5, 60_000);
  // Two keepalives may be lost or late before a path counts as silent.
  const silentMs = read.number(
    root,
    "silentMs",
    "",
    Math.max(200, 3 * keepaliveMs),
    2 * keepaliveMs,
    600_000,
  );
  const deadMs = read.number(root, "deadMs", "", Math.max(5000, 2 * silentMs), silentMs, 3_600_000);
  const limits = read.object(root["limits"] ?? {}, "/limits", [
    "handshakesPerSecond",
    "handshakesPerRemote",
    "channels",
    "channelsPerPeer",
    "framesPerSecond",
    "pendingConnections",
  ]);
  return {
    listen: listeners,
    keepaliveMs,
    silentMs,
    deadMs,
    openTimeoutMs: read.number(root, "openTimeoutMs", "", 1000, 10, 60_000),
    handshakeMs: read.number(root, "handshakeMs", "", 5000, 10, 60_000),
    limits: {
      handshakesPerSecond: read.number(limits, "handshakesPerSecond", "/limits", 500, 1, 1_000_000),
      handshakesPerRemote: read.number(limits, "handshakesPerRemote", "/limits", 20, 1, 1_000_000),
      channels: read.number(limits, "channels", "/limits", 4096, 1, 65_536),
      channelsPerPeer: read.number(limits, "channelsPerPeer", "/limits", 16, 1, 65_536),
      framesPerSecond: read.number(limits, "framesPerSecond", "/limits", 200, 1, 1_000_000),
      pendingConnections: read.number(limits, "pendingConnections", "/limits", 256, 1, 65_536),
    },
    pipe: parsePipe(root["pipe"] ?? {}, bytes),
    addressMs: read.number(root, "addressMs", "", 1000, 0, 60_000),
  };
}

/** Null unless `text` is a public key in base64. */
export function parseKey(bytes: BytesPower, text: unknown): Uint8Array | null {
  if (typeof text !== "string" || text.length > 64) return null;
  const key = bytes.fromBase64(text);
  return key !== null && key.length === KEY_BYTES ? key : null;
}

function parseListen(item: Json, at: string): ListenConfig {
  const value = read.object(item, at, ["pathId", "kind", ...ENDPOINT]);
  const { pathId, kind } = value;
  if (typeof pathId !== "string" || !/^[\w.:-]{1,64}$/.test(pathId)) {
    throw wrong(`${at}/pathId`, "expected 1 to 64 letters, digits, . _ : or -");
  }
  if (kind !== "udp" && kind !== "tcp") throw wrong(`${at}/kind`, "expected udp or tcp");
  return { pathId, kind, ...endpointAt(value, at, 0) };
}

function parsePipe(item: Json, bytes: BytesPower): PipeConfig {
  const pipe = read.object(item, "/pipe", ["listen", "peer", "forward"]);
  const { listen, peer, forward } = pipe;
  if ((listen === undefined) !== (peer === undefined)) throw wrong("/pipe", "listen and peer go together");
  if (peer !== undefined && parseKey(bytes, peer) === null) {
    throw wrong("/pipe/peer", "expected a public key, 32 bytes in base64");
  }
  return {
    ...(listen === undefined ? {} : { listen: pipeEnd(listen, "/pipe/listen", 0) }),
    ...(typeof peer === "string" ? { peer } : {}),
    ...(forward === undefined ? {} : { forward: pipeEnd(forward, "/pipe/forward", 1) }),
  };
}

function pipeEnd(item: Json, at: string, minPort: number): Endpoint {
  return endpointAt(read.object(item, at, ENDPOINT), at, minPort);
}

function endpointAt(value: JsonObject, at: string, minPort: number): Endpoint {
  const { address, port } = value;
  if (typeof address !== "string" || !/^[0-9a-fA-F.:]{2,45}$/.test(address)) {
    throw wrong(`${at}/address`, "expected an IP address");
  }
  if (typeof port !== "number" || !Number.isInteger(port) || port < minPort || port > 65_535) {
    throw wrong(`${at}/port`, `expected a port from ${minPort} to 65535`);
  }
  return { address, port };
}

function wrong(pointer: string, problem: string): TransportError {
  return new TransportError("TRANSPORT_CONFIG_INVALID", { pointer, problem });
}
