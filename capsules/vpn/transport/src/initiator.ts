/**
 * The side that opens a channel: Hello, then Initiate when the Cookie came, then open when the first sealed frame says
 * ready. It owns no socket and no timer; whoever drives it repeats `current()` while nothing comes back.
 */
import type { BytesPower, CryptoPower, IdentityPower } from "@vnes/sdk/driver";
import { createGate } from "./gate.ts";
import { createDerivation } from "./keys.ts";
import { createSealed, type Sealed, type SealedDrop } from "./sealed.ts";
import {
  COOKIE,
  concat,
  decodeCookie,
  decodeIndex,
  encodeHello,
  encodeIndex,
  encodeInitiate,
  FRAME,
  frameIndex,
  KEY_BYTES,
  messageType,
  PAYLOAD_READY,
} from "./wire.ts";

export type InitiatorStep =
  | { readonly kind: "send"; readonly message: Uint8Array }
  | { readonly kind: "opened"; readonly sealed: Sealed }
  | { readonly kind: "dropped"; readonly why: InitiatorDrop };

export type InitiatorDrop =
  | "messageMalformed"
  | "messageUnexpected"
  | "cookieForged"
  | "frameUnknownChannel"
  | SealedDrop;

export interface Initiator {
  /** What to send now, and again until something comes back: byte for byte the same. */
  current(): Uint8Array;
  receive(message: Uint8Array): InitiatorStep;
}

export interface InitiatorOptions {
  readonly crypto: CryptoPower;
  readonly bytes: BytesPower;
  readonly identity: IdentityPower;
  /** The responder's long-term public key. */
  readonly responder: Uint8Array;
  /** The index the responder is to address its frames to. */
  readonly index: number;
  readonly maxCounter?: number;
}

/** Null when `responder` is no usable key. */
export function createInitiator(options: InitiatorOptions): Initiator | null {
  const { crypto, identity, responder } = options;
  const derivation = createDerivation(crypto, options.bytes);
  const gate = createGate(crypto, derivation.label, responder);
  const ephemeral = crypto.keyPair();
  const ephemeralStatic = ephemeral.agree(responder);
  if (ephemeralStatic === null) return null;
  const cookieKey = derivation.cookieKey(ephemeralStatic, responder, ephemeral.publicKey);
  let current = encodeHello({ ephemeral: ephemeral.publicKey });
  gate.close(current);
  let keys: { readonly send: Uint8Array; readonly receive: Uint8Array } | null = null;

  const receiveCookie = (message: Uint8Array): InitiatorStep => {
    // A second Cookie belongs to a repeated Hello; the Initiate already sent stands.
    if (keys !== null) return { kind: "dropped", why: "messageUnexpected" };
    const cookie = decodeCookie(message);
    const plain = crypto.open(cookie.box, cookie.nonce, cookieKey);
    if (plain === null) return { kind: "dropped", why: "cookieForged" };
    const parties = {
      responder,
      initiatorEphemeral: ephemeral.publicKey,
      responderEphemeral: plain.slice(0, KEY_BYTES),
    };
    const ephemerals = ephemeral.agree(parties.responderEphemeral);
    const staticEphemeral = identity.agree(parties.responderEphemeral);
    if (ephemerals === null || staticEphemeral === null) return { kind: "dropped", why: "cookieForged" };
    const vouch = derivation.vouch(staticEphemeral, parties, identity.publicKey);
    const box = crypto.seal(
      concat(identity.publicKey, vouch, encodeIndex(options.index)),
      new Uint8Array(24),
      derivation.initiateKey(ephemeralStatic, ephemerals, parties),
    );
    const derived = derivation.channelKeys(
      ephemeralStatic,
      ephemerals,
      staticEphemeral,
      parties,
      identity.publicKey,
    );
    keys = { send: derived.fromInitiator, receive: derived.fromResponder };
    current = encodeInitiate({ ephemeral: ephemeral.publicKey, cookie: plain.slice(KEY_BYTES), box });
    gate.close(current);
    return { kind: "send", message: current };
  };

  const receiveReady = (message: Uint8Array): InitiatorStep => {
    if (keys === null) return { kind: "dropped", why: "messageUnexpected" };
    if (frameIndex(message) !== options.index) return { kind: "dropped", why: "frameUnknownChannel" };
    const limit = options.maxCounter === undefined ? {} : { maxCounter: options.maxCounter };
    const receiveOnly = createSealed({ crypto, sendKey: keys.send, receiveKey: keys.receive, theirIndex: 0 });
    const opened = receiveOnly.open(message);
    if (typeof opened === "string") return { kind: "dropped", why: opened };
    if (opened.kind !== PAYLOAD_READY || opened.payload.length !== 4) {
      return { kind: "dropped", why: "messageUnexpected" };
    }
    const theirIndex = decodeIndex(opened.payload);
    const sealed = createSealed({
      crypto,
      sendKey: keys.send,
      receiveKey: keys.receive,
      theirIndex,
      ...limit,
    });
    // The channel's own window must know this frame, or it could be replayed into the open channel.
    sealed.open(message);
    return { kind: "opened", sealed };
  };

  return {
    current: () => current,
    receive(message) {
      const type = messageType(message);
      if (type === COOKIE) return receiveCookie(message);
      if (type === FRAME) return receiveReady(message);
      return { kind: "dropped", why: type === null ? "messageMalformed" : "messageUnexpected" };
    },
  };
}
