/**
 * Ends this process when a call into an isolate goes on beyond its deadline. The deadline of isolated-vm is that of the capsule's
 * code alone: what a capsule threw, or left rejected, is looked at after it, and a getter there runs as long as it likes; V8 may hang as
 * well over an isolate without memory. This thread is in the isolate then, so another one watches.
 *
 * W1. It counts its own looks and not the clock: a process that was stopped, or a machine that is busy, is no overrun.
 * W2. It sleeps while nothing runs.
 */
import { Worker } from "node:worker_threads";

const LOOK_MS = 50;
/** Beyond a deadline, for what a call does after it. */
const GRACE_MS = 250;
const [IS_BUSY, CALLS, MOST_LOOKS, NEVER] = [0, 1, 2, 3];
const state = new Int32Array(new SharedArrayBuffer(16));
let isWatching = false;

/** `CALLS` is odd while one is under way. */
const LOOK = `
const { workerData: state } = require("node:worker_threads");
const { writeSync } = require("node:fs");
for (let seen = 0, looks = 0; ; ) {
  Atomics.wait(state, ${IS_BUSY}, 0);
  Atomics.wait(state, ${NEVER}, 0, ${LOOK_MS});
  const call = Atomics.load(state, ${CALLS});
  looks = call === seen && call % 2 !== 0 ? looks + 1 : 0;
  seen = call;
  if (looks <= Atomics.load(state, ${MOST_LOOKS})) continue;
  writeSync(2, "FATAL ERROR: a capsule held its host for " + looks * ${LOOK_MS} + " ms in one call, and could not be interrupted\\n");
  process.kill(process.pid, "SIGKILL");
}`;

/** From now on. For a host with several capsules: one alone holds up nobody, and the kernel ends a host that is silent. */
export function watchOverruns(): void {
  if (isWatching) return;
  isWatching = true;
  const resourceLimits = { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 1 };
  new Worker(LOOK, { eval: true, workerData: state, execArgv: [], env: {}, resourceLimits }).unref();
}

/** A call into an isolate, which is to be back after `ms`. */
export function watched<T>(ms: number, call: () => T): T {
  Atomics.store(state, MOST_LOOKS, Math.ceil((ms + GRACE_MS) / LOOK_MS));
  Atomics.add(state, CALLS, 1);
  if (Atomics.exchange(state, IS_BUSY, 1) === 0 && isWatching) Atomics.notify(state, IS_BUSY);
  try {
    return call();
  } finally {
    Atomics.add(state, CALLS, 1);
  }
}

/** Nothing runs, and nothing waits. */
export function rests(): void {
  Atomics.store(state, IS_BUSY, 0);
}
