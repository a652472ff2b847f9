import assert from "node:assert/strict";
import { Duplex } from "node:stream";
import { test } from "node:test";
import { writeTogether } from "../src/write-together.ts";

/** Sizes of what leaves, each in a write of its own. */
class CountingPipe extends Duplex {
  readonly writes: number[] = [];

  override _writev(chunks: { readonly chunk: Buffer }[], done: () => void): void {
    this.writes.push(chunks.reduce((sum, { chunk }) => sum + chunk.length, 0));
    done();
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.writes.push(chunk.length);
    done();
  }

  override _read(): void {}
}

test("small frames of one tick leave together at its end", async () => {
  const pipe = new CountingPipe();
  let left = 0;
  for (let frame = 0; frame < 10; frame++)
    writeTogether(pipe, [Buffer.alloc(4), Buffer.alloc(6)], () => left++);
  assert.deepEqual(pipe.writes, []);
  await new Promise(setImmediate);
  assert.deepEqual([pipe.writes, left], [[100], 1]);
});

test("much leaves within the tick, in order, and what follows it waits again", async () => {
  const pipe = new CountingPipe();
  writeTogether(pipe, [Buffer.alloc(100)]);
  writeTogether(pipe, [Buffer.alloc(50), Buffer.alloc(60_000)]);
  assert.deepEqual(pipe.writes, [60_150]);
  writeTogether(pipe, [Buffer.alloc(7)]);
  writeTogether(pipe, [Buffer.alloc(7)]);
  assert.deepEqual(pipe.writes, [60_150]);
  await new Promise(setImmediate);
  assert.deepEqual(pipe.writes, [60_150, 14]);
});
