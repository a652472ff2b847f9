/** How much of what a capsule says reaches the log of its node. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { LogLine } from "@vnes/schemas";
import { Counters } from "../../src/runtime/node/counters.ts";
import { CapsuleLines, LINES_BURST_CHARS, LINES_CHARS_PER_S } from "../../src/runtime/shard/capsule-lines.ts";

test("a flood of lines is cut, counted, and told once there is room again", () => {
  let now = 1_000_000;
  const written: [level: string, data: object, message: string][] = [];
  const say = (level: string) => (data: object, message: string) => void written.push([level, data, message]);
  const lines = { debug: say("debug"), info: say("info"), warn: say("warn"), error: say("error") };
  const counters = new Counters();
  const clock = {
    now: () => now,
    wakeAt: () => () => {},
    notBefore: () => {},
    onWallJump: () => {},
  };
  const capsule = new CapsuleLines({ lines, clock, counters }, "test.capsule/0");
  const flood: LogLine[] = Array.from({ length: 1_000 }, () => ({
    level: "info",
    message: "x".repeat(20_000),
  }));
  capsule.print(flood);
  const chars = written.reduce((sum, [, , message]) => sum + message.length, 0);
  assert.ok(chars <= LINES_BURST_CHARS + 20_000, `${chars} characters`);
  assert.equal(counters.get("log.linesDropped"), 1_000 - written.length);
  const before = written.length;
  now += 1_000;
  capsule.print([{ level: "error", message: "one", data: { n: 1 } }]);
  assert.deepEqual(written.slice(before), [
    [
      "warn",
      { capsule: "test.capsule/0", dropped: 1_000 - before },
      "it said more than the log takes, and lines were dropped",
    ],
    ["error", { capsule: "test.capsule/0", data: { n: 1 } }, "one"],
  ]);
  now += 1_000;
  capsule.print(flood);
  const later = written.slice(before + 2).reduce((sum, [, , message]) => sum + message.length, 0);
  assert.ok(later <= 2 * LINES_CHARS_PER_S + 20_000, `${later} characters`);
});
