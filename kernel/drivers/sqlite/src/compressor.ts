/**
 * zstd (RFC 8878) at level 1, by one compressor for all that is compressed: making one takes longer than compressing 64 records with it, and
 * `zstdCompressSync` makes one for each call.
 *
 * Z1. What comes out is byte for byte what `zstdCompressSync` gives: how it was made nobody can tell, and need not.
 * Z2. Node has no documented call that waits for a compressor and keeps it. Its streams stand on one that does, `_handle.writeSync`, as npm's
 *     own unpacking knows; where it is not there, or does not do what is expected of it, it is `zstdCompressSync` from then on.
 */
import { constants, createZstdCompress, zstdCompressSync } from "node:zlib";

const LEVEL_1 = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };
/** What is larger is seldom, and large beside what making a compressor takes. */
const MAX_KEPT_BYTES: number = 512 * 1024;
/** Where zstd has room for the worst case it writes at once, without buffers between (`ZSTD_COMPRESSBOUND`). */
const ROOM_BYTES: number = MAX_KEPT_BYTES + (MAX_KEPT_BYTES >> 8) + 64;

/** Of a stream of Node, what is used here. */
export interface CompressorStream {
  readonly destroyed: boolean;
  readonly _handle?: { readonly writeSync?: WriteSync } | null;
  /** After a write: bytes left in the output, and in the input. */
  readonly _writeState?: Uint32Array;
  on(event: "error", listener: () => void): unknown;
}

type WriteSync = (
  flush: number,
  input: Uint8Array,
  inputAt: number,
  inputBytes: number,
  output: Uint8Array,
  outputAt: number,
  outputBytes: number,
) => void;

export class Compressor {
  readonly #open: () => CompressorStream;
  #stream: CompressorStream | undefined;
  #room = new Uint8Array(0);
  #isUsable = true;

  constructor(
    open: () => CompressorStream = () => createZstdCompress(LEVEL_1) as unknown as CompressorStream,
  ) {
    this.#open = open;
  }

  /** What comes out is to be copied before the next call. */
  compress(plain: Uint8Array): Uint8Array {
    if (!this.#isUsable || plain.length > MAX_KEPT_BYTES) return zstdCompressSync(plain, LEVEL_1);
    const compressed = this.#byKept(plain);
    if (compressed !== undefined) return compressed;
    this.#isUsable = false;
    return zstdCompressSync(plain, LEVEL_1);
  }

  /** Undefined when it did not end as a whole frame does: all read, and room to spare. */
  #byKept(plain: Uint8Array): Uint8Array | undefined {
    this.#stream ??= this.#opened();
    const { _handle: handle, _writeState: state } = this.#stream;
    if (typeof handle?.writeSync !== "function" || state === undefined) return undefined;
    handle.writeSync(constants.ZSTD_e_end, plain, 0, plain.length, this.#room, 0, ROOM_BYTES);
    const [left = 0, unread = 0] = state;
    if (this.#stream.destroyed || unread > 0 || left === 0 || left >= ROOM_BYTES) return undefined;
    return this.#room.subarray(0, ROOM_BYTES - left);
  }

  #opened(): CompressorStream {
    this.#room = new Uint8Array(ROOM_BYTES);
    const stream = this.#open();
    // It is told by what the write left behind, and must not end the process.
    stream.on("error", () => undefined);
    return stream;
  }
}

/** For every store of the process: what is compressed is compressed in one piece, and copied at once. */
export const compressor: Compressor = new Compressor();
