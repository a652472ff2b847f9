/**
 * The side that is opened to. A Hello is answered from the message alone; the first thing remembered about anybody is
 * the channel of an Initiate whose cookie, address, box and vouch all held.
 *
 * R1. No state for a stranger: `receive` changes nothing but fixed-size buckets unless it returns `accepted`.
 * R2. A reply is never larger than the message it answers, and goes to that message's sender.
 * R3. Cheap checks first: length, one hash, symmetric, and only then the agreements.
 */
import type { BytesPower, CryptoPower, Endpoint, IdentityPower } from "@vnes/sdk/driver";
import { type Bucket, createBucket, createRemoteBuckets, type RemoteBuckets } from "./buckets.ts";
import { createCookieJar } from "./cookie.ts";
import { createGate } from "./gate.ts";
import { createDerivation } from "./keys.ts";
import { createSealed, type Sealed } from "./sealed.ts";
import {
  concat,
  decodeHello,
  decodeIndex,
  decodeInitiate,
  encodeCookie,
  HELLO,
  INITIATE,
  KEY_BYTES,
  messageType,
} from "./wire.ts";

export type ResponderStep =
  | { readonly kind: "reply"; readonly message: Uint8Array }
  | {
      readonly kind: "accepted";
      /** The initiator's long-term public key. */
      readonly peer: Uint8Array;
      /** Makes the channel, addressed here by `index`; null when there is no room to remember the cookie. */
      open(index: number): Sealed | null;
    }
  /** The Initiate of a channel already made, again: its Ready was lost. */
  | { readonly kind: "repeated"; readonly index: number }
  | { readonly kind: "dropped"; readonly why: ResponderDrop };

export type ResponderDrop =
  | "messageMalformed"
  | "messageUnexpected"
  | "gateClosed"
  | "handshakeRateRemote"
  | "handshakeRateGlobal"
  | "keyInvalid"
  | "cookieInvalid"
  | "cookieReplayed"
  | "initiateForged"
  | "vouchInvalid";

export interface Responder {
  /** `message` is no frame. `via` names the listener: a cookie is good for the one it came through. */
  receive(message: Uint8Array, remote: Endpoint, via: string, now: number): ResponderStep;
}

export interface ResponderOptions {
  readonly crypto: CryptoPower;
  readonly bytes: BytesPower;
  readonly identity: IdentityPower;
  readonly now: number;
  readonly handshakesPerSecond: number;
  readonly handshakesPerRemote: number;
  readonly maxCounter?: number;
}

export function createResponder(options: ResponderOptions): Responder {
  const { crypto, bytes, identity } = options;
  const derivation = createDerivation(crypto, bytes);
  const gate = createGate(crypto, derivation.label, identity.publicKey);
  const jar = createCookieJar(crypto, options.now);
  const buckets = (): { readonly all: Bucket; readonly each: RemoteBuckets } => ({
    all: createBucket(options.handshakesPerSecond, options.handshakesPerSecond),
    each: createRemoteBuckets(options.handshakesPerRemote, options.handshakesPerRemote, crypto.random(8)),
  });
  // Apart, so that a flood of Hellos from forged addresses does not take the tokens of those whose address is proven.
  const hellos = buckets();
  const initiates = buckets();

  const overRate = (kind: typeof hellos, remote: Endpoint, now: number): ResponderDrop | null => {
    if (!kind.each.take(remote.address, now)) return "handshakeRateRemote";
    return kind.all.take(now) ? null : "handshakeRateGlobal";
  };

  const receiveHello = (message: Uint8Array, remote: Endpoint, bound: Uint8Array, now: number) => {
    const hello = decodeHello(message);
    if (hello === null) return dropped("messageMalformed");
    const limited = overRate(hellos, remote, now);
    if (limited !== null) return dropped(limited);
    const ephemeralStatic = identity.agree(hello.ephemeral);
    if (ephemeralStatic === null) return dropped("keyInvalid");
    const pair = crypto.keyPair();
    const cookie = jar.seal(pair.secretKey, hello.ephemeral, bound, now);
    const key = derivation.cookieKey(ephemeralStatic, identity.publicKey, hello.ephemeral);
    const nonce = crypto.random(24);
    const box = crypto.seal(concat(pair.publicKey, cookie), nonce, key);
    return { kind: "reply", message: encodeCookie({ nonce, box }) } as const;
  };

  const receiveInitiate = (message: Uint8Array, remote: Endpoint, bound: Uint8Array, now: number) => {
    const initiate = decodeInitiate(message);
    const opened = jar.open(initiate.cookie, initiate.ephemeral, bound, now);
    if (opened === null) return dropped("cookieInvalid");
    const limited = overRate(initiates, remote, now);
    if (limited !== null) return dropped(limited);
    const initiateHash = crypto.sha256(message);
    const used = opened.use.used;
    if (used !== undefined) {
      const same = crypto.equal(used.initiateHash, initiateHash);
      return same ? ({ kind: "repeated", index: used.index } as const) : dropped("cookieReplayed");
    }
    const pair = crypto.keyPairFrom(opened.secret);
    const parties = {
      responder: identity.publicKey,
      initiatorEphemeral: initiate.ephemeral,
      responderEphemeral: pair.publicKey,
    };
    const ephemeralStatic = identity.agree(initiate.ephemeral);
    const ephemerals = pair.agree(initiate.ephemeral);
    if (ephemeralStatic === null || ephemerals === null) return dropped("keyInvalid");
    const key = derivation.initiateKey(ephemeralStatic, ephemerals, parties);
    const plain = crypto.open(initiate.box, new Uint8Array(24), key);
    if (plain === null) return dropped("initiateForged");
    const peer = plain.slice(0, KEY_BYTES);
    const staticEphemeral = pair.agree(peer);
    if (staticEphemeral === null) return dropped("keyInvalid");
    const vouch = derivation.vouch(staticEphemeral, parties, peer);
    if (!crypto.equal(vouch, plain.subarray(KEY_BYTES, 2 * KEY_BYTES))) return dropped("vouchInvalid");
    const theirIndex = decodeIndex(plain.subarray(2 * KEY_BYTES));
    const open = (index: number): Sealed | null => {
      if (!opened.use.mark({ initiateHash, index })) return null;
      const keys = derivation.channelKeys(ephemeralStatic, ephemerals, staticEphemeral, parties, peer);
      const limit = options.maxCounter === undefined ? {} : { maxCounter: options.maxCounter };
      const directions = { sendKey: keys.fromResponder, receiveKey: keys.fromInitiator };
      return createSealed({ crypto, ...directions, theirIndex, ...limit });
    };
    return { kind: "accepted", peer, open } as const;
  };

  return {
    receive(message, remote, via, now) {
      const type = messageType(message);
      if (type === null) return dropped("messageMalformed");
      if (type !== HELLO && type !== INITIATE) return dropped("messageUnexpected");
      if (!gate.passes(message)) return dropped("gateClosed");
      const bound = bytes.fromUtf8(`${via} ${remote.address} ${remote.port}`);
      if (type === HELLO) return receiveHello(message, remote, bound, now);
      return receiveInitiate(message, remote, bound, now);
    },
  };
}

function dropped(why: ResponderDrop): ResponderStep {
  return { kind: "dropped", why };
}
