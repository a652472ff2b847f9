/** What is read of a process that prints without end: little at a time, however it prints. */
import assert from "node:assert/strict";
import { getDefaultHighWaterMark } from "node:stream";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { OutputTail } from "../src/output-tail.ts";
import { startChild } from "../src/start-child.ts";

const BYTE_BY_BYTE = "const { writeSync } = require('node:fs'); for (;;) writeSync(1, 'x');";
/** Two reads: one that was handed on, and the one that came before the reading stopped. A socket holds less than this in single bytes. */
const MOST_UNREAD_BYTES = 16 * 1024;
const READS = 5;

test("who prints byte by byte waits, and is not read as often as it writes", async () => {
  const usual = getDefaultHighWaterMark(false);
  const child = startChild(process.execPath, ["-e", BYTE_BY_BYTE], { env: {}, pipes: 3 });
  try {
    assert.equal(getDefaultHighWaterMark(false), usual, "other streams are what they were");
    const { stdout } = child;
    assert.ok(stdout !== null);
    const tail = new OutputTail();
    tail.follow(stdout);
    let reads = 0;
    let most = 0;
    stdout.on("data", () => {
      reads += 1;
      most = Math.max(most, stdout.readableLength);
    });
    while (reads < READS) await sleep(10);
    assert.ok(most <= MOST_UNREAD_BYTES, `${most} bytes were read that nobody had asked for`);
    assert.match(tail.text, /^x+$/);
  } finally {
    child.kill("SIGKILL");
  }
});
