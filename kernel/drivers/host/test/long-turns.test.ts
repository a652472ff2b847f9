/** When a host counts as one that computes for long, and when no longer. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LongTurns, type LongTurnsTime, NICER } from "../src/long-turns.ts";

interface Timer {
  readonly wake: () => void;
  readonly ms: number;
  at: number;
}

function watched() {
  const steps: number[] = [];
  const timers: Timer[] = [];
  let now = 0;
  const time: LongTurnsTime = {
    timer(wake, ms) {
      const timer: Timer = { wake, ms, at: now + ms };
      timers.push(timer);
      return { refresh: () => (timer.at = now + ms), end: () => (timer.at = Infinity) };
    },
    whenRead: (wake) => wake(),
  };
  const pass = (ms: number): void => {
    for (const end = now + ms; now < end; ) {
      now += 1;
      for (const timer of timers.filter(({ at }) => at === now)) timer.wake();
    }
  };
  return { steps, long: new LongTurns((more) => steps.push(more), time), pass };
}

test("a host that is asked for more all the while is as silent as one that is asked once", () => {
  const { steps, long, pass } = watched();
  for (let ms = 0; ms < 30; ms++) {
    long.awaited(true);
    pass(1);
  }
  assert.deepEqual(steps, [NICER]);
  long.end();
});

test("it stays nicer as long as nothing comes, and for a second of quick turns behind that", () => {
  const { steps, long, pass } = watched();
  long.awaited(true);
  pass(2_900);
  assert.deepEqual(steps, [NICER]);
  for (let turn = 0; turn < 100; turn++) {
    long.sign();
    long.awaited(false);
    long.awaited(true);
    pass(10);
    assert.deepEqual(steps, turn < 99 ? [NICER] : [NICER, 0], `turn ${turn}`);
  }
  long.end();
});

test("one that has nothing to do is not silent, and one that is gone is nothing", () => {
  const { steps, long, pass } = watched();
  pass(2_000);
  long.awaited(true);
  pass(10);
  long.awaited(false);
  pass(2_000);
  long.awaited(true);
  long.end();
  long.awaited(true);
  pass(2_000);
  assert.deepEqual(steps, []);
});
