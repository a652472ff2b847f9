/**
 * The bytes of the channel protocol, version 1: what each message is made of and where (`docs/channel.md`).
 * It owns layouts and lengths; it knows no key and decides nothing.
 */

const PROTOCOL_VERSION = 1;
/** Mixed into every hash and key, so that nothing made here means anything in another protocol. */
export const PROTOCOL_LABEL = "vnes-channel-v1";

export const HELLO = 1;
export const COOKIE = 2;
export const INITIATE = 3;
export const FRAME = 4;

export const KEY_BYTES = 32;
const BOX_OVERHEAD_BYTES = 16;
export const GATE_BYTES = 16;
const HEAD_BYTES = 4;

const COOKIE_NONCE_BYTES = 24;
/** Generation of the minute key, nonce, box of the responder's ephemeral secret. */
const SEALED_COOKIE_BYTES = 1 + COOKIE_NONCE_BYTES + BOX_OVERHEAD_BYTES + KEY_BYTES;

/** Padded beyond the reply, so that nobody gains bytes by lying about his address. */
export const HELLO_BYTES = 192;
export const COOKIE_BYTES =
  HEAD_BYTES + COOKIE_NONCE_BYTES + BOX_OVERHEAD_BYTES + KEY_BYTES + SEALED_COOKIE_BYTES;
/** Long-term key, vouch, index. */
const INITIATE_PLAIN_BYTES = KEY_BYTES + KEY_BYTES + 4;
const INITIATE_BYTES =
  HEAD_BYTES + KEY_BYTES + SEALED_COOKIE_BYTES + BOX_OVERHEAD_BYTES + INITIATE_PLAIN_BYTES + GATE_BYTES;
/** Head, index, counter. */
const FRAME_HEAD_BYTES = HEAD_BYTES + 4 + 8;

/** One payload; with its overhead it fits a UDP datagram and the u16 length prefix of a stream. */
export const MAX_PAYLOAD_BYTES = 16 * 1024;
/** The sealed part of a frame starts with the byte that says what the payload is. */
export const MAX_MESSAGE_BYTES = FRAME_HEAD_BYTES + BOX_OVERHEAD_BYTES + 1 + MAX_PAYLOAD_BYTES;
const MIN_FRAME_BYTES = FRAME_HEAD_BYTES + BOX_OVERHEAD_BYTES + 1;

/** What a frame carries. */
export const PAYLOAD_KEEPALIVE = 0;
export const PAYLOAD_READY = 1;
export const PAYLOAD_CONTROL = 2;
export const PAYLOAD_DATA = 3;
export const PAYLOAD_CLOSE = 4;

/** Below 2^53, so that a counter is a plain number; at a million frames a second it lasts nine years. */
export const MAX_COUNTER = 2 ** 48;

export interface Hello {
  readonly ephemeral: Uint8Array;
}

export interface CookieMessage {
  readonly nonce: Uint8Array;
  /** Seals the responder's ephemeral public key and the sealed cookie. */
  readonly box: Uint8Array;
}

export interface Initiate {
  readonly ephemeral: Uint8Array;
  readonly cookie: Uint8Array;
  readonly box: Uint8Array;
}

export interface SealedCookie {
  readonly generation: number;
  readonly nonce: Uint8Array;
  readonly box: Uint8Array;
}

export interface FrameHead {
  readonly index: number;
  readonly counter: number;
  readonly box: Uint8Array;
}

/** The type of a message whose head and length are those of that type; null for anything else. */
export function messageType(message: Uint8Array): number | null {
  if (
    message.length < HEAD_BYTES ||
    message[1] !== PROTOCOL_VERSION ||
    message[2] !== 0 ||
    message[3] !== 0
  ) {
    return null;
  }
  const type = message[0];
  if (type === HELLO) return message.length === HELLO_BYTES ? HELLO : null;
  if (type === COOKIE) return message.length === COOKIE_BYTES ? COOKIE : null;
  if (type === INITIATE) return message.length === INITIATE_BYTES ? INITIATE : null;
  if (type !== FRAME) return null;
  return message.length >= MIN_FRAME_BYTES && message.length <= MAX_MESSAGE_BYTES ? FRAME : null;
}

/** The gate's bytes are left zero; `gate.ts` fills them. */
export function encodeHello(hello: Hello): Uint8Array {
  const message = withHead(HELLO, HELLO_BYTES);
  message.set(hello.ephemeral, HEAD_BYTES);
  return message;
}

/** Null when the padding is not zero. */
export function decodeHello(message: Uint8Array): Hello | null {
  const padding = message.subarray(HEAD_BYTES + KEY_BYTES, HELLO_BYTES - GATE_BYTES);
  for (const byte of padding) if (byte !== 0) return null;
  return { ephemeral: message.slice(HEAD_BYTES, HEAD_BYTES + KEY_BYTES) };
}

export function encodeCookie(cookie: CookieMessage): Uint8Array {
  const message = withHead(COOKIE, COOKIE_BYTES);
  message.set(cookie.nonce, HEAD_BYTES);
  message.set(cookie.box, HEAD_BYTES + COOKIE_NONCE_BYTES);
  return message;
}

export function decodeCookie(message: Uint8Array): CookieMessage {
  const boxAt = HEAD_BYTES + COOKIE_NONCE_BYTES;
  return { nonce: message.slice(HEAD_BYTES, boxAt), box: message.slice(boxAt) };
}

export function encodeInitiate(initiate: Initiate): Uint8Array {
  const message = withHead(INITIATE, INITIATE_BYTES);
  let at = HEAD_BYTES;
  for (const part of [initiate.ephemeral, initiate.cookie, initiate.box]) {
    message.set(part, at);
    at += part.length;
  }
  return message;
}

export function decodeInitiate(message: Uint8Array): Initiate {
  const cookieAt = HEAD_BYTES + KEY_BYTES;
  const boxAt = cookieAt + SEALED_COOKIE_BYTES;
  return {
    ephemeral: message.slice(HEAD_BYTES, cookieAt),
    cookie: message.slice(cookieAt, boxAt),
    box: message.slice(boxAt, INITIATE_BYTES - GATE_BYTES),
  };
}

export function encodeSealedCookie(cookie: SealedCookie): Uint8Array {
  return concat(Uint8Array.of(cookie.generation), cookie.nonce, cookie.box);
}

export function decodeSealedCookie(bytes: Uint8Array): SealedCookie {
  const boxAt = 1 + COOKIE_NONCE_BYTES;
  return { generation: bytes[0] ?? 0, nonce: bytes.slice(1, boxAt), box: bytes.slice(boxAt) };
}

export function encodeFrame(index: number, counter: number, box: Uint8Array): Uint8Array {
  const message = withHead(FRAME, FRAME_HEAD_BYTES + box.length);
  const view = viewOf(message);
  view.setUint32(HEAD_BYTES, index);
  writeCounter(view, HEAD_BYTES + 4, counter);
  message.set(box, FRAME_HEAD_BYTES);
  return message;
}

export function frameIndex(message: Uint8Array): number {
  return viewOf(message).getUint32(HEAD_BYTES);
}

export function decodeFrame(message: Uint8Array): FrameHead {
  const view = viewOf(message);
  const counter = view.getUint32(HEAD_BYTES + 4) * 2 ** 32 + view.getUint32(HEAD_BYTES + 8);
  return { index: view.getUint32(HEAD_BYTES), counter, box: message.subarray(FRAME_HEAD_BYTES) };
}

/** 16 zero bytes and the counter: a key serves one direction of one channel, so the counter alone never repeats. */
export function frameNonce(counter: number): Uint8Array {
  const nonce = new Uint8Array(24);
  writeCounter(viewOf(nonce), 16, counter);
  return nonce;
}

export function encodeIndex(index: number): Uint8Array {
  const bytes = new Uint8Array(4);
  viewOf(bytes).setUint32(0, index);
  return bytes;
}

export function decodeIndex(bytes: Uint8Array): number {
  return viewOf(bytes).getUint32(0);
}

/** What a keepalive carries whose sender hears nothing: for how long, in milliseconds. */
export function encodeSilence(ms: number): Uint8Array {
  return encodeIndex(Math.min(ms, 0xffff_ffff));
}

/** 0: the sender hears; so says an empty keepalive, or one of a later version. */
export function decodeSilence(payload: Uint8Array): number {
  return payload.length === 4 ? decodeIndex(payload) : 0;
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function withHead(type: number, length: number): Uint8Array {
  const message = new Uint8Array(length);
  message[0] = type;
  message[1] = PROTOCOL_VERSION;
  return message;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function writeCounter(view: DataView, at: number, counter: number): void {
  view.setUint32(at, Math.floor(counter / 2 ** 32));
  view.setUint32(at + 4, counter >>> 0);
}
