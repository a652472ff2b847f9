/**
 * Messages as bytes: a length of four bytes, big-endian, and that many bytes of UTF-8: one line of JSON and, if there is
 * more to it, a line feed and text that is handed on as it is (`docs/host-protocol.md`). A number JSON cannot carry there
 * and back unchanged (-0, or one beyond the range of a double) is refused on arrival; the text is its reader's to judge.
 * Used on both sides; it imports nothing, because a host's start waits for every module.
 */

/** Its code and details are those of `hostErrors`, which only the kernel's side loads. */
export class FrameError extends Error {
  readonly code: "HOST_PROTOCOL_FRAME_TOO_LARGE" | "HOST_PROTOCOL_FRAME_INVALID";
  readonly details: { readonly [name: string]: string | number };

  constructor(code: FrameError["code"], details: FrameError["details"]) {
    super(`${code} ${JSON.stringify(details)}`);
    this.code = code;
    this.details = details;
  }
}

/** A full batch of the largest turns, or a capsule's whole cache asked for at once. */
export const MAX_FRAME_BYTES: number = 64 * 1024 * 1024;
const HEADER_BYTES = 4;
/** What a pipe gives in one read, at most. */
const READ_BYTES = 64 * 1024;
/** Of a reader that waits for no larger frame: several lots of a replay, so that what came in part is seldom moved. */
const MEMORY_BYTES = 4 * READ_BYTES;
/** Pieces a frame may come in: so many, and one more for each of these bytes. Reading a byte at a time costs more than writing it. */
const MOST_PIECES = 1_024;
const LEAST_PIECE_BYTES = 1_024;
/**
 * Only text with such a thing in it can hold a number that is refused; only then is the whole message looked at. Digits are counted from the
 * first of them: from each, a line of numbers just too short would be read three hundred times.
 */
const SUSPECT_NUMBER = /-0|[eE]\+?\d{3}|(?<!\d)\d{300}/;

/** JSON leaves no raw line feed in what it writes. */
const LINE_FEED = 0x0a;
const NOTHING = Buffer.alloc(0);

/**
 * The frame as buffers to be written one after the other. `text` goes beside the message: within it, what is JSON already
 * would be encoded twice. Bytes are UTF-8 already; they are written as they are, from where they are.
 */
export function encodeFrame(message: unknown, text: string | Uint8Array = ""): readonly Uint8Array[] {
  const line = JSON.stringify(message);
  if (typeof text !== "string")
    return text.length === 0 ? [framed(line, 0)] : [framed(`${line}\n`, text.length), text];
  return [framed(text === "" ? line : `${line}\n${text}`, 0)];
}

/** `more` bytes belong to the frame and are not in it. */
function framed(body: string, more: number): Buffer {
  const bytes = Buffer.byteLength(body);
  const size = bytes + more;
  if (size > MAX_FRAME_BYTES) {
    throw new FrameError("HOST_PROTOCOL_FRAME_TOO_LARGE", { size, limit: MAX_FRAME_BYTES });
  }
  const frame = Buffer.allocUnsafe(HEADER_BYTES + bytes);
  frame.writeUInt32BE(size, 0);
  frame.write(body, HEADER_BYTES, "utf8");
  return frame;
}

export interface FrameBounds {
  /** Of a frame; default and most: `MAX_FRAME_BYTES`. */
  readonly maxBytes?: number;
  /** Of the line of JSON in it, which is read whoever sent it; default: the frame's. */
  readonly maxLineBytes?: number;
}

/**
 * Puts what is read together, in one piece of memory that is used again and again, and takes messages out: buffers of their
 * own for what comes would have V8 look through its whole heap for the sake of them. After it has thrown, the stream cannot
 * be read any further.
 */
export class FrameReader {
  #memory = Buffer.allocUnsafeSlow(MEMORY_BYTES);
  /** What has come and is not taken lies from here to `#end`. */
  #start = 0;
  #end = 0;
  /** Of the frame that is arriving; undefined until its header is here. */
  #size: number | undefined;
  /** That the frame has come in so far. */
  #pieces = 0;
  readonly #maxBytes: number;
  readonly #maxLineBytes: number;
  /** What came beside the message last taken: UTF-8, unread. It is written over once the next message is asked for. */
  text: Buffer = NOTHING;

  constructor({ maxBytes = MAX_FRAME_BYTES, maxLineBytes = MAX_FRAME_BYTES }: FrameBounds = {}) {
    this.#maxBytes = Math.min(maxBytes, MAX_FRAME_BYTES);
    this.#maxLineBytes = maxLineBytes;
  }

  /** Where the next bytes of the stream are to be written: room for `atLeast`. */
  room(atLeast: number = READ_BYTES): Buffer {
    const held = this.#end - this.#start;
    if (held === 0 && this.#memory.length > MEMORY_BYTES)
      this.#memory = Buffer.allocUnsafeSlow(Math.max(MEMORY_BYTES, atLeast));
    if (held === 0 || this.#memory.length - this.#end < atLeast) this.#makeRoom(held, atLeast);
    return this.#memory.subarray(this.#end);
  }

  /** `bytes` were written where there was `room`. Messages that are complete with them, in order. Throws `HOST_PROTOCOL_*`. */
  *wrote(bytes: number): IterableIterator<unknown> {
    this.#end += bytes;
    this.#pieces += 1;
    while (true) {
      const held = this.#end - this.#start;
      if (this.#size === undefined) {
        if (held < HEADER_BYTES) return;
        this.#size = this.#memory.readUInt32BE(this.#start);
        this.#start += HEADER_BYTES;
        if (this.#size > this.#maxBytes) {
          throw new FrameError("HOST_PROTOCOL_FRAME_TOO_LARGE", {
            size: this.#size,
            limit: this.#maxBytes,
          });
        }
        continue;
      }
      if (held < this.#size) return this.#refuseCrumbs(held, this.#size);
      const body = this.#memory.subarray(this.#start, this.#start + this.#size);
      this.#start += this.#size;
      this.#size = undefined;
      this.#pieces = 0;
      const end = body.indexOf(LINE_FEED);
      const lineBytes = end < 0 ? body.length : end;
      if (lineBytes > this.#maxLineBytes) {
        const reason = `its line is longer than ${this.#maxLineBytes} bytes`;
        throw new FrameError("HOST_PROTOCOL_FRAME_INVALID", { reason });
      }
      this.text = end < 0 ? NOTHING : body.subarray(end + 1);
      yield parseMessage(body.toString("utf8", 0, lineBytes));
    }
  }

  /** `wrote`, for bytes that came in a buffer of their own. */
  push(chunk: Uint8Array): IterableIterator<unknown> {
    this.room(chunk.length).set(chunk);
    return this.wrote(chunk.length);
  }

  /** True when the stream ended within a frame. */
  get isMidFrame(): boolean {
    return this.#end > this.#start || this.#size !== undefined;
  }

  #refuseCrumbs(held: number, size: number): void {
    if (this.#pieces <= MOST_PIECES + size / LEAST_PIECE_BYTES) return;
    const reason = `${held} of its ${size} bytes came in ${this.#pieces} pieces`;
    throw new FrameError("HOST_PROTOCOL_FRAME_INVALID", { reason });
  }

  /** At the front where that is enough, otherwise in twice as much: never what a header says, but what has come. */
  #makeRoom(held: number, atLeast: number): void {
    const from = this.#memory;
    if (from.length - held < atLeast)
      this.#memory = Buffer.allocUnsafeSlow(Math.max(2 * from.length, held + atLeast));
    if (held > 0) from.copy(this.#memory, 0, this.#start, this.#end);
    this.#start = 0;
    this.#end = held;
  }
}

function parseMessage(text: string): unknown {
  let message: unknown;
  try {
    message = JSON.parse(text);
  } catch {
    throw new FrameError("HOST_PROTOCOL_FRAME_INVALID", { reason: "not JSON" });
  }
  if (SUSPECT_NUMBER.test(text)) refuseNumbers(message);
  return message;
}

/** Without calling itself: a line may be nested deeper than the stack is. */
function refuseNumbers(message: unknown): void {
  const left = [message];
  while (left.length > 0) {
    const value = left.pop();
    if (typeof value === "number" && (Object.is(value, -0) || !Number.isFinite(value))) {
      const reason = Object.is(value, -0) ? "it holds -0" : "it holds a number beyond the range of a double";
      throw new FrameError("HOST_PROTOCOL_FRAME_INVALID", { reason });
    }
    if (typeof value !== "object" || value === null) continue;
    for (const member of Object.values(value)) left.push(member);
  }
}
