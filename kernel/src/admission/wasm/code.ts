/**
 * Walks the instructions of a function to find those that are not run here: what differs between processors (relaxed SIMD), threads, and what
 * later proposals add. Core specification 2.0, section 5.4, with tail calls and exceptions. It asks only where each instruction ends.
 */
import { Malformed, type WasmReader } from "./reader.ts";

/** Bit of a memory argument after which the number of a memory follows. */
const OTHER_MEMORY = 0x40;
const RELAXED_SIMD = 0x100;
/** A block whose type is a typed reference. */
const TYPED_REFERENCES: ReadonlySet<number> = new Set([0x63, 0x64]);

type Skip = (body: WasmReader) => void;

const nothing: Skip = () => undefined;
const index: Skip = (body) => void body.u32();
const twoIndexes: Skip = (body) => void (body.u32() + body.u32());
const number: Skip = (body) => body.skipNumber();
const bytes =
  (length: number): Skip =>
  (body) =>
    body.skip(length);
const memory: Skip = (body) => {
  if ((body.u32() & OTHER_MEMORY) !== 0) body.u32();
  body.u64();
};
const memoryAndLane: Skip = (body) => {
  memory(body);
  body.skip(1);
};
const blockType: Skip = (body) => {
  if (TYPED_REFERENCES.has(body.peek())) refuse("typed references");
  body.skipNumber();
};
const labels: Skip = (body) => {
  for (let left = body.count(); left >= 0; left--) body.u32();
};
const types: Skip = (body) => body.skip(body.count());
const catches: Skip = (body) => {
  blockType(body);
  for (let left = body.count(); left > 0; left--) {
    // Kinds 0 and 1 name a tag before the label.
    if (body.byte() < 2) body.u32();
    body.u32();
  }
};

const SINGLE: readonly (Skip | undefined)[] = table([
  [0x00, 0x01, nothing],
  [0x02, 0x04, blockType],
  [0x05, 0x05, nothing],
  [0x06, 0x06, blockType],
  [0x07, 0x09, index],
  [0x0a, 0x0b, nothing],
  [0x0c, 0x0d, index],
  [0x0e, 0x0e, labels],
  [0x0f, 0x0f, nothing],
  [0x10, 0x10, index],
  [0x11, 0x11, twoIndexes],
  [0x12, 0x12, index],
  [0x13, 0x13, twoIndexes],
  [0x18, 0x18, index],
  [0x19, 0x1b, nothing],
  [0x1c, 0x1c, types],
  [0x1f, 0x1f, catches],
  [0x20, 0x26, index],
  [0x28, 0x3e, memory],
  [0x3f, 0x40, index],
  [0x41, 0x42, number],
  [0x43, 0x43, bytes(4)],
  [0x44, 0x44, bytes(8)],
  [0x45, 0xc4, nothing],
  [0xd0, 0xd0, number],
  [0xd1, 0xd1, nothing],
  [0xd2, 0xd2, index],
]);

const BULK: readonly (Skip | undefined)[] = table([
  [0, 7, nothing],
  [8, 8, twoIndexes],
  [9, 9, index],
  [10, 10, twoIndexes],
  [11, 11, index],
  [12, 12, twoIndexes],
  [13, 13, index],
  [14, 14, twoIndexes],
  [15, 17, index],
]);

const VECTOR: readonly (Skip | undefined)[] = table([
  [0, 11, memory],
  [12, 13, bytes(16)],
  [14, 20, nothing],
  [21, 34, bytes(1)],
  [35, 83, nothing],
  [84, 91, memoryAndLane],
  [92, 93, memory],
  [94, 255, nothing],
]);

/** Throws `Malformed`. */
export function skipBody(body: WasmReader): void {
  for (let left = body.count(); left > 0; left--) {
    body.u32();
    if (TYPED_REFERENCES.has(body.byte())) refuse("typed references");
  }
  while (!body.isAtEnd) skipInstruction(body);
}

function skipInstruction(body: WasmReader): void {
  const code = body.byte();
  if (code === 0xfc) return known(BULK, body.u32(), "instructions after 0xfc")(body);
  if (code === 0xfd) {
    const sub = body.u32();
    if (sub >= RELAXED_SIMD) refuse("relaxed SIMD, whose results differ between processors");
    return known(VECTOR, sub, "vector instructions")(body);
  }
  if (code === 0xfe) refuse("threads");
  if (code === 0xfb) refuse("garbage collection");
  known(SINGLE, code, "instructions")(body);
}

function known(skips: readonly (Skip | undefined)[], code: number, what: string): Skip {
  return skips[code] ?? refuse(`${what} that are not of WebAssembly 2.0 (0x${code.toString(16)})`);
}

function refuse(what: string): never {
  throw new Malformed(`it uses ${what}, which is not run here`);
}

function table(ranges: readonly (readonly [from: number, to: number, skip: Skip])[]): (Skip | undefined)[] {
  const skips: (Skip | undefined)[] = [];
  for (const [from, to, skip] of ranges) for (let code = from; code <= to; code++) skips[code] = skip;
  return skips;
}
