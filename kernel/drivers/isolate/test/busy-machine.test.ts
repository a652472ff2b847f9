/** How long a turn may go on that met its deadline on a busy machine. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MOST_DEADLINES as COUNTED_ON } from "@vnes/driver-sandbox";
import fc from "fast-check";
import { MOST_DEADLINES, secondDeadlineMs } from "../src/busy-machine.ts";

test("who had half of the processor or more has had its deadline", () => {
  for (const cpuMs of [125, 200, 250, 260]) assert.equal(secondDeadlineMs(250, cpuMs), undefined);
});

test("who had less gets what the deadline's work takes at that share, and never more than is counted on", () => {
  assert.equal(secondDeadlineMs(250, 100), 625);
  assert.equal(secondDeadlineMs(250, 0), 250 * MOST_DEADLINES);
  assert.equal(MOST_DEADLINES, COUNTED_ON);
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 600_000 }),
      fc.double({ min: 0, max: 0.499, noNaN: true }),
      (deadlineMs, share) => {
        const second = secondDeadlineMs(deadlineMs, deadlineMs * share) ?? 0;
        assert.ok(second > deadlineMs && second <= Math.ceil(deadlineMs * MOST_DEADLINES));
      },
    ),
  );
});
