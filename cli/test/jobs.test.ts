import assert from "node:assert/strict";
import { test } from "node:test";
import { Jobs } from "../src/control/jobs.ts";

const WAIT_MS = 20;

test("a job is looked at until it is done, told once, and then forgotten", async () => {
  using jobs = new Jobs();
  let finish: (() => void) | undefined;
  const job = jobs.start(async (_, tell) => {
    tell({ seq: 5 });
    await new Promise<void>((resume) => {
      finish = resume;
    });
    return { turns: 7 };
  });
  assert.deepEqual(await jobs.look(job, 0), { job, progress: { seq: 5 }, done: false, result: null });
  finish?.();
  assert.deepEqual(await jobs.look(job, WAIT_MS), {
    job,
    progress: { seq: 5 },
    done: true,
    result: { turns: 7 },
  });
  await assert.rejects(jobs.look(job, 0), { code: "CONTROL_JOB_UNKNOWN" });
});

test("what a job died of is thrown at whoever looks", async () => {
  using jobs = new Jobs();
  const job = jobs.start(() => Promise.reject(new Error("broken")));
  await assert.rejects(jobs.look(job, WAIT_MS), /broken/);
  await assert.rejects(jobs.look(job, 0), { code: "CONTROL_JOB_UNKNOWN" });
});

test("jobs are bounded, and called off with their owner", async () => {
  const jobs = new Jobs();
  const signals: AbortSignal[] = [];
  const start = (): string =>
    jobs.start((signal) => {
      signals.push(signal);
      return new Promise(() => {});
    });
  for (let n = 0; n < 8; n++) start();
  assert.throws(start, { code: "CONTROL_TOO_MANY_JOBS" });
  await Promise.resolve();
  jobs[Symbol.dispose]();
  assert.deepEqual([...new Set(signals.map(({ aborted }) => aborted))], [true]);
  assert.equal(signals.length, 8);
});
