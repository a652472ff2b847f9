/** How soon a capsule gets a new isolate or process after it has spoilt one. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { RenewalPace } from "../src/index.ts";

test("at once the first time, ever more slowly while it goes on, at once again after ten seconds without", () => {
  const pace = new RenewalPace();
  const waits = [0, 10, 100, 300, 700, 1_500, 3_000, 5_000, 7_000].map((at) => pace.waitMs(at));
  assert.deepEqual(waits, [0, 50, 100, 200, 400, 800, 1_600, 2_000, 2_000]);
  assert.equal(pace.waitMs(17_000), 2_000);
  assert.equal(pace.waitMs(27_001), 0);
  assert.equal(pace.waitMs(27_002), 50);
});
