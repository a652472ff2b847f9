/** UTF-8 by hand: an isolate has no TextEncoder. ASCII, which most JSON is, takes the short way. */

const CHUNK = 8_192;

/** In bytes, once encoded. */
export function utf8Length(text: string): number {
  let length = text.length;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit < 0x80) continue;
    if (unit < 0x800) length += 1;
    else if (isPair(text, index)) {
      length += 2;
      index += 1;
    } else length += 2;
  }
  return length;
}

/** Writes all of `text` from `at` on; half a pair becomes U+FFFD. There has to be room. */
export function encodeUtf8(text: string, into: Uint8Array, at: number): void {
  let to = at;
  for (let index = 0; index < text.length; index++) {
    let point = text.charCodeAt(index);
    if (point < 0x80) {
      into[to++] = point;
      continue;
    }
    if (point < 0x800) {
      into[to++] = 0xc0 | (point >> 6);
    } else {
      if (isPair(text, index)) {
        point = 0x1_0000 + ((point - 0xd800) << 10) + (text.charCodeAt(++index) - 0xdc00);
        into[to++] = 0xf0 | (point >> 18);
        into[to++] = 0x80 | ((point >> 12) & 0x3f);
      } else {
        if (point >= 0xd800 && point < 0xe000) point = 0xfffd;
        into[to++] = 0xe0 | (point >> 12);
      }
      into[to++] = 0x80 | ((point >> 6) & 0x3f);
    }
    into[to++] = 0x80 | (point & 0x3f);
  }
}

/** Undefined when the bytes are no UTF-8: too long, half a pair, beyond U+10FFFF, cut off. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  let text = "";
  for (let from = 0; from < bytes.length; ) {
    const to = asciiUntil(bytes, from);
    for (; from < to; from += CHUNK) {
      text += String.fromCharCode.apply(null, bytes.subarray(from, Math.min(to, from + CHUNK)) as never);
    }
    from = to;
    while (from < bytes.length && (bytes[from] as number) >= 0x80) {
      const length = sequenceLength(bytes, from);
      if (length === 0) return undefined;
      text += String.fromCodePoint(pointAt(bytes, from, length));
      from += length;
    }
  }
  return text;
}

/** What is no UTF-8 becomes U+FFFD, byte by byte. */
export function decodeLossy(bytes: Uint8Array): string {
  const whole = decodeUtf8(bytes);
  if (whole !== undefined) return whole;
  let text = "";
  for (let from = 0; from < bytes.length; ) {
    const length = (bytes[from] as number) < 0x80 ? 1 : sequenceLength(bytes, from);
    text += length === 0 ? "\ufffd" : String.fromCodePoint(pointAt(bytes, from, length));
    from += Math.max(1, length);
  }
  return text;
}

function isPair(text: string, index: number): boolean {
  return (text.charCodeAt(index) & 0xfc00) === 0xd800 && (text.charCodeAt(index + 1) & 0xfc00) === 0xdc00;
}

function asciiUntil(bytes: Uint8Array, from: number): number {
  let to = from;
  while (to < bytes.length && (bytes[to] as number) < 0x80) to += 1;
  return to;
}

/** Of a sequence that begins with a byte from 0x80 on; 0 when it is none (RFC 3629, section 4). */
function sequenceLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at] as number;
  const length = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  if (length === 0 || at + length > bytes.length) return 0;
  const second = bytes[at + 1] as number;
  const least = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const most = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  if (second < least || second > most) return 0;
  for (let index = 2; index < length; index++) if (((bytes[at + index] as number) & 0xc0) !== 0x80) return 0;
  return length;
}

function pointAt(bytes: Uint8Array, at: number, length: number): number {
  const first = bytes[at] as number;
  let point = length === 1 ? first : first & (0x7f >> length);
  for (let index = 1; index < length; index++) point = (point << 6) | ((bytes[at + index] as number) & 0x3f);
  return point;
}
