/** Node time: taken from the wall once, then followed by nobody. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SystemClock } from "../src/node/system-clock.ts";

const HOUR_MS = 3_600_000;

function world(): { wall: number; monotonic: number; slept: number; clock: SystemClock; jumps: number[] } {
  const time = { wall: 1_700_000_000_000, monotonic: 0, slept: 0 };
  const clock = new SystemClock({
    wall: () => time.wall,
    monotonic: () => time.monotonic,
    sinceBoot: () => time.monotonic + time.slept,
  });
  const jumps: number[] = [];
  clock.onWallJump((ms) => jumps.push(ms));
  return Object.assign(time, { clock, jumps });
}

for (const ms of [HOUR_MS, -HOUR_MS]) {
  test(`a wall clock set by ${ms / HOUR_MS} h is told once and not followed`, () => {
    const time = world();
    const before = time.clock.now();
    time.wall += 2_000 + ms;
    time.monotonic += 2_000;
    assert.equal(time.clock.now(), before + 2_000);
    time.wall += 2_000;
    time.monotonic += 2_000;
    assert.equal(time.clock.now(), before + 4_000);
    assert.deepEqual(time.jumps, [ms]);
  });
}

test("a machine that slept an hour is an hour later, and nobody set its clock", () => {
  const time = world();
  const before = time.clock.now();
  time.wall += HOUR_MS + 2_000;
  time.monotonic += 2_000;
  time.slept += HOUR_MS;
  assert.equal(time.clock.now(), before + HOUR_MS + 2_000);
  assert.deepEqual(time.jumps, []);
});

test("a clock goes on from what is recorded when the wall is behind it, and that is no jump", () => {
  const time = world();
  const newest = time.clock.now() + HOUR_MS;
  time.clock.notBefore(newest);
  assert.equal(time.clock.now(), newest);
  time.clock.notBefore(newest - 1);
  time.wall += 5_000;
  time.monotonic += 5_000;
  assert.equal(time.clock.now(), newest + 5_000);
  assert.deepEqual(time.jumps, []);
});
