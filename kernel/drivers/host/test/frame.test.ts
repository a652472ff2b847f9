/** Frames: any messages through any cuts, and what is refused. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { encodeFrame, FrameReader, MAX_FRAME_BYTES } from "../src/frame.ts";

test("messages and their texts arrive as they were sent, in order, however the stream is cut", () => {
  const json = fc
    .jsonValue({ maxDepth: 3 })
    .map((value) => JSON.parse(JSON.stringify(value, noMinusZero)) as unknown);
  fc.assert(
    fc.property(
      fc.array(fc.tuple(json, fc.oneof(fc.constant(""), fc.string({ unit: "grapheme" }))), { maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }),
      (messages, cuts) => {
        const frames = messages.map(([message, text], index) =>
          encodeFrame(message, index % 2 === 0 ? text : Buffer.from(text)),
        );
        const stream = Buffer.concat(frames.flat());
        const reader = new FrameReader();
        const arrived: unknown[] = [];
        for (let from = 0, cut = 0; from < stream.length; cut++) {
          const size = cuts[cut % cuts.length] as number;
          for (const message of reader.push(stream.subarray(from, from + size))) {
            arrived.push([message, reader.text.toString()]);
          }
          from += size;
        }
        assert.deepEqual(arrived, messages);
        assert.equal(reader.isMidFrame, false);
      },
    ),
  );
});

test("frames of every size are read where they were written, and a large one leaves no large memory behind", () => {
  const texts = [10, 70_000, 59_000, 59_000, 59_000, 59_000, 3_000_000, 59_000, 0, 200_000, 59_000];
  const written = texts.map(
    (size, index) => [{ index }, String.fromCharCode(97 + index).repeat(size)] as const,
  );
  const stream = Buffer.concat(written.flatMap(([message, text]) => encodeFrame(message, text)));
  const reader = new FrameReader();
  const arrived: unknown[] = [];
  let largest = 0;
  for (let from = 0; from < stream.length; ) {
    const room = reader.room();
    assert.ok(room.length >= 65_536);
    largest = Math.max(largest, room.buffer.byteLength);
    const bytes = Math.min(65_536, stream.length - from);
    room.set(stream.subarray(from, from + bytes));
    from += bytes;
    for (const message of reader.wrote(bytes)) arrived.push([message, reader.text.toString()]);
  }
  assert.deepEqual(arrived, written);
  assert.ok(largest > 3_000_000);
  assert.equal(reader.room().buffer.byteLength, 262_144);
});

function noMinusZero(_key: string, value: unknown): unknown {
  return Object.is(value, -0) ? 0 : value;
}

const raw = (text: string): Buffer => {
  const body = Buffer.from(text);
  const frame = Buffer.alloc(4 + body.length);
  frame.writeUInt32BE(body.length);
  body.copy(frame, 4);
  return frame;
};

const refusal = (bytes: Buffer): string => {
  try {
    const messages = [...new FrameReader().push(bytes)];
    return `arrived ${JSON.stringify(messages)}`;
  } catch (error) {
    return (error as { code: string }).code;
  }
};

test("what is no JSON, and numbers that do not survive it, are refused by name", () => {
  for (const text of [
    "",
    "{",
    "NaN",
    "[-0]",
    '{"a":{"b":-0.0}}',
    "[1e999]",
    `[${"9".repeat(400)}]`,
    "[-0e3]",
  ]) {
    assert.equal(refusal(raw(text)), "HOST_PROTOCOL_FRAME_INVALID", text);
  }
  assert.equal(refusal(raw('["2026-01-01","-0",1e100,-0.5]')), 'arrived [["2026-01-01","-0",1e+100,-0.5]]');
});

test("a line beyond its bound is refused unread, however much text may come beside it", () => {
  const read = (text: string): readonly unknown[] => [
    ...new FrameReader({ maxLineBytes: 16 }).push(raw(text)),
  ];
  assert.deepEqual(read(`{"a":"12345678"}\n${"x".repeat(1_000)}`), [{ a: "12345678" }]);
  const reason = {
    code: "HOST_PROTOCOL_FRAME_INVALID",
    details: { reason: "its line is longer than 16 bytes" },
  };
  assert.throws(() => read('{"a":"123456789"}'), reason);
  assert.throws(() => read("[".repeat(1_000_000)), reason);
});

test("a frame that comes in crumbs is refused long before it is whole", () => {
  const pieces = (size: number, piece: number): number => {
    const reader = new FrameReader();
    const header = Buffer.alloc(4);
    header.writeUInt32BE(size);
    let count = 0;
    try {
      for (const _ of reader.push(header)) assert.fail("nothing is whole");
      for (; count * piece < size - piece; count++)
        for (const _ of reader.push(Buffer.alloc(piece))) assert.fail();
      return Number.POSITIVE_INFINITY;
    } catch (error) {
      assert.equal((error as { code: string }).code, "HOST_PROTOCOL_FRAME_INVALID");
      return count;
    }
  };
  assert.equal(pieces(1_000, 1), Number.POSITIVE_INFINITY);
  assert.equal(pieces(10_240_000, 1), 11_023);
  assert.equal(pieces(10_240_000, 1_024), Number.POSITIVE_INFINITY);
});

test("a length beyond the bound is refused before its bytes are waited for", () => {
  const header = Buffer.alloc(4);
  header.writeUInt32BE(MAX_FRAME_BYTES + 1);
  assert.equal(refusal(header), "HOST_PROTOCOL_FRAME_TOO_LARGE");
  const tooLarge = { code: "HOST_PROTOCOL_FRAME_TOO_LARGE" };
  assert.throws(() => encodeFrame("x".repeat(MAX_FRAME_BYTES)), tooLarge);
  assert.throws(() => encodeFrame("x", new Uint8Array(MAX_FRAME_BYTES)), tooLarge);
});

test("a number that is refused is found however deep it lies, and behind any number of digits", () => {
  const deep = `${"[".repeat(100_000)}-0${"]".repeat(100_000)}`;
  assert.equal(refusal(raw(deep)), "HOST_PROTOCOL_FRAME_INVALID");
  assert.throws(() => [...new FrameReader().push(raw(deep))], { details: { reason: "it holds -0" } });
  const digits = (count: number): string => `[0.5,1${"0".repeat(count)}]`;
  assert.match(refusal(raw(digits(299))), /^arrived/);
  assert.equal(refusal(raw(digits(320))), "HOST_PROTOCOL_FRAME_INVALID");
});
