/**
 * Messages in a byte stream: a big-endian u16 length before each. At most one partial message is kept, so a peer that
 * sends a byte an hour holds a bounded buffer and meets a deadline elsewhere.
 */
import { MAX_MESSAGE_BYTES } from "./wire.ts";

const LENGTH_BYTES = 2;

export interface MessageSplitter {
  /** Hands on every message that is now complete; false when the stream is broken for good. */
  push(bytes: Uint8Array): boolean;
}

/** `onMessage` returns false to stop reading the stream. */
export function createMessageSplitter(onMessage: (message: Uint8Array) => boolean): MessageSplitter {
  let kept: Uint8Array = new Uint8Array(0);
  return {
    push(bytes) {
      let buffer = bytes;
      if (kept.length > 0) {
        buffer = new Uint8Array(kept.length + bytes.length);
        buffer.set(kept);
        buffer.set(bytes, kept.length);
      }
      let at = 0;
      while (buffer.length - at >= LENGTH_BYTES) {
        const length = ((buffer[at] ?? 0) << 8) | (buffer[at + 1] ?? 0);
        if (length === 0 || length > MAX_MESSAGE_BYTES) return false;
        if (buffer.length - at - LENGTH_BYTES < length) break;
        at += LENGTH_BYTES;
        if (!onMessage(buffer.slice(at, at + length))) return false;
        at += length;
      }
      kept = buffer.slice(at);
      return true;
    },
  };
}

export function prefixLength(message: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(LENGTH_BYTES + message.length);
  bytes[0] = message.length >> 8;
  bytes[1] = message.length & 0xff;
  bytes.set(message, LENGTH_BYTES);
  return bytes;
}
