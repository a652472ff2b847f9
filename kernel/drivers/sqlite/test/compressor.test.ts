/** Whatever makes it, what is compressed is what Node's own call makes of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { constants, createZstdCompress, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import fc from "fast-check";
import { Compressor, type CompressorStream } from "../src/compressor.ts";

const LEVEL_1 = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

/** Some repeat themselves and some do not; some are larger than what is kept for. */
const pieces = fc.array(
  fc
    .tuple(fc.uint8Array({ minLength: 1, maxLength: 2_000 }), fc.constantFrom(1, 3, 200, 700))
    .map(([bytes, times]) => Buffer.concat(Array.from({ length: times }, () => bytes))),
  { maxLength: 6 },
);

/** Streams of other versions of Node: without what is leant on, or doing something else with it. */
const streams: { readonly [name: string]: () => CompressorStream } = {
  "as it is": () => createZstdCompress(LEVEL_1) as unknown as CompressorStream,
  "without a handle": () => ({ destroyed: false, on: () => undefined }),
  "that was closed": () => ({
    destroyed: true,
    _handle: null,
    _writeState: new Uint32Array(2),
    on: () => undefined,
  }),
  "that writes nothing": () => streamWith(() => undefined),
  "that reads a part": () => streamWith((state) => state.set([100, 1])),
  "that needs more room": () => streamWith((state) => state.set([0, 0])),
};

function streamWith(write: (state: Uint32Array) => void): CompressorStream {
  const state = new Uint32Array([524_288 + 2_048 + 64, 0]);
  return {
    destroyed: false,
    _handle: { writeSync: () => write(state) },
    _writeState: state,
    on: () => undefined,
  };
}

for (const [name, open] of Object.entries(streams)) {
  test(`a stream ${name} gives what zstdCompressSync gives (Z1, Z2)`, () => {
    fc.assert(
      fc.property(pieces, (some) => {
        const compressor = new Compressor(open);
        for (const plain of some) {
          const compressed = Buffer.from(compressor.compress(plain));
          assert.deepEqual(compressed, zstdCompressSync(plain, LEVEL_1));
          assert.ok(zstdDecompressSync(compressed).equals(plain));
        }
      }),
      { numRuns: name === "as it is" ? 60 : 5 },
    );
  });
}

test("one compressor does for everything, by the handle of a stream of this Node (Z2)", () => {
  let opened = 0;
  let written = 0;
  const compressor = new Compressor(() => {
    opened++;
    const stream = streams["as it is"]?.() as CompressorStream;
    const write = stream._handle?.writeSync as (...given: readonly unknown[]) => void;
    const writeSync = (...given: readonly unknown[]): void => {
      written++;
      write.apply(stream._handle, given as unknown[]);
    };
    return {
      destroyed: false,
      _handle: { writeSync },
      _writeState: stream._writeState as Uint32Array,
      on: () => 0,
    };
  });
  for (let n = 0; n < 20; n++) compressor.compress(Buffer.alloc(10_000, n));
  assert.deepEqual([opened, written], [1, 20]);
});
