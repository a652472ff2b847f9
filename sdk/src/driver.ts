/**
 * What the author of a driver capsule writes against. A driver touches the world, so it owns no keys and is not
 * replayed; it runs in a device host, a process of its own, and has no power that is not an argument of `start`.
 *
 * 1. Everything with an outside (time, randomness, sockets, keys) is in `Powers`, so a driver runs unchanged on
 *    powers made in memory with a clock moved by hand.
 * 2. A power that policy did not grant is absent, not broken: ask with `needPower`.
 */
import type { Answer, Json, LogLine } from "@vnes/schemas";

export type { Answer, ErrorEntry, Json, JsonObject, LogLine } from "@vnes/schemas";

export interface DriverDefinition {
  /** The driver is in service when this resolves; a rejection is reported as the reason it could not start. */
  start(powers: Powers, config: Json): DriverRuntime | Promise<DriverRuntime>;
}

export interface DriverRuntime {
  /** Answers are values; what it throws is answered `DEVICE_CALL_FAILED`. */
  call(capability: string, method: string, input: Json): Answer | Promise<Answer>;
  /**
   * The kernel was not heard for as long as a driver may act without it. What has to be said to others is said in this call;
   * after it nothing is sent and nothing arrives until the kernel is heard again, and connections end.
   */
  leaseLost?(): void;
  /** Closes every socket and cancels every timer. */
  stop(): void | Promise<void>;
}

/** Names the default export of a driver capsule's `src/main.ts`. */
export function driver(definition: DriverDefinition): DriverDefinition {
  return definition;
}

export interface Powers {
  readonly clock: DriverClock;
  readonly bytes: BytesPower;
  log(level: LogLine["level"], message: string, data?: Json): void;
  /** Reports on an `at_most_once` topic of the capsule. */
  publish(topic: string, key: string, event: Json): void;
  readonly "net.udp"?: UdpPower;
  readonly "net.tcp"?: TcpPower;
  readonly "crypto.channel"?: CryptoPower;
  readonly identity?: IdentityPower;
}

export type PowerName = "net.udp" | "net.tcp" | "crypto.channel" | "identity";

/** The power, or an error that names what the manifest must ask for and policy must grant. */
export function needPower<Name extends PowerName>(powers: Powers, name: Name): NonNullable<Powers[Name]> {
  const power = powers[name];
  if (power === undefined)
    throw new Error(`power ${name} is not granted: manifest security.resources and policy powers`);
  return power;
}

export interface DriverClock {
  /** Milliseconds that never go back, counted from an arbitrary start; fractions allowed. */
  now(): number;
  /** Calls back once, not before `afterMs` have passed. The returned function cancels. */
  setTimer(afterMs: number, wake: () => void): () => void;
}

/** Conversions between bytes and text, which the language itself does not have. */
export interface BytesPower {
  fromUtf8(text: string): Uint8Array;
  /** Null when the bytes are not UTF-8. */
  toUtf8(bytes: Uint8Array): string | null;
  /** Null when the text is not base64 (RFC 4648 section 4, padded, nothing else). */
  fromBase64(text: string): Uint8Array | null;
  toBase64(bytes: Uint8Array): string;
}

export interface Endpoint {
  /** An IP address. */
  readonly address: string;
  readonly port: number;
}

export interface UdpPower {
  /** The machine's own IP addresses now, loopback included; sorted, each once. */
  addresses(): readonly string[];
  /** On an IP address. Rejects with an error whose `code` is the system's (`EADDRINUSE`, ...). Port 0 takes a free one. */
  open(options: {
    readonly address: string;
    readonly port: number;
    /** `bytes` is the callee's to keep. */
    onDatagram(bytes: Uint8Array, remote: Endpoint): void;
    /** A send or receive failed; the socket stays open. */
    onError(code: string): void;
  }): Promise<UdpSocket>;
}

export interface UdpSocket {
  readonly local: Endpoint;
  /** Queued to the system or lost; never waits. */
  send(bytes: Uint8Array, remote: Endpoint): void;
  close(): void;
}

export interface TcpPower {
  /** As `UdpPower.open`. */
  listen(options: {
    readonly address: string;
    readonly port: number;
    onConnection(connection: TcpConnection): void;
    onError(code: string): void;
  }): Promise<TcpListener>;
  /** Rejects with an error whose `code` is the system's (`ECONNREFUSED`, `ETIMEDOUT`, ...), `EINVAL` for a name. */
  connect(options: Endpoint & { readonly timeoutMs: number }): Promise<TcpConnection>;
}

export interface TcpListener {
  readonly local: Endpoint;
  /** Stops accepting; connections already accepted stay. */
  close(): void;
}

export interface TcpConnection {
  readonly local: Endpoint;
  readonly remote: Endpoint;
  /** Bytes accepted by `write` that the system has not taken yet. */
  buffered(): number;
  /** Buffered without a bound: look at `buffered()`. Dropped when the connection has ended. */
  write(bytes: Uint8Array): void;
  /** Nothing is read until this is called, once. `onClose` comes once, for whatever reason. */
  receive(onBytes: (bytes: Uint8Array) => void, onClose: () => void): void;
  /** Writes what is buffered, then ends. */
  close(): void;
  /** Ends at once. */
  abort(): void;
}

export interface KeyAgreement {
  /** X25519, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** The 32 bytes shared with the owner of `peerPublic`; null for a key of low order or of a wrong length. */
  agree(peerPublic: Uint8Array): Uint8Array | null;
}

/** The node's long-term X25519 key. The secret never enters the capsule. */
export interface IdentityPower extends KeyAgreement {}

export interface CryptoPower {
  /** So many bytes nobody can predict. */
  random(length: number): Uint8Array;
  /** 32 bytes over the chunks one after the other. */
  sha256(...chunks: readonly Uint8Array[]): Uint8Array;
  /** HKDF-SHA256 (RFC 5869); at most 8,160 bytes. */
  hkdf(secret: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array;
  /** In time that depends on the length alone; false for different lengths. */
  equal(a: Uint8Array, b: Uint8Array): boolean;
  /** XSalsa20-Poly1305 (NaCl secretbox): the result is 16 bytes longer. `key` 32 bytes, `nonce` 24. */
  seal(plain: Uint8Array, nonce: Uint8Array, key: Uint8Array): Uint8Array;
  /** Null when the box was not made with this key and nonce. */
  open(box: Uint8Array, nonce: Uint8Array, key: Uint8Array): Uint8Array | null;
  /** A fresh X25519 pair. */
  keyPair(): KeyAgreement & { readonly secretKey: Uint8Array };
  /** The pair of a secret made by `keyPair`. */
  keyPairFrom(secretKey: Uint8Array): KeyAgreement;
}
