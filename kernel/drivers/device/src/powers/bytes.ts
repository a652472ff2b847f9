import type { BytesPower } from "@vnes/sdk/driver";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

export const deviceBytes: BytesPower = {
  fromUtf8: (text) => encoder.encode(text),
  toUtf8(bytes) {
    try {
      return decoder.decode(bytes);
    } catch {
      return null;
    }
  },
  fromBase64(text) {
    if (!BASE64.test(text)) return null;
    const bytes = new Uint8Array(Buffer.from(text, "base64"));
    // Two texts must not name one key: the unused bits of the last character have to be zero.
    return deviceBytes.toBase64(bytes) === text ? bytes : null;
  },
  toBase64: (bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64"),
};
