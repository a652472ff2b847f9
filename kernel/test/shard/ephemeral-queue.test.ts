import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryClock } from "@vnes/driver-memory";
import { type FlowRule, MAX_KEPT_BYTES } from "../../src/bus/flow.ts";
import { EphemeralQueue } from "../../src/runtime/shard/ephemeral-queue.ts";

const EVENT = "x".repeat(500_000);
const PUSHED = 200;

test("of large events that nobody keeps, only so many bytes wait, whatever the policy", () => {
  for (const more of [
    { policy: "block" },
    { policy: "shed", shed: "newest" },
    { policy: "shed", shed: "oldest" },
    { policy: "shed", shed: "lowest_priority" },
    { policy: "aggregate" },
  ] as const) {
    const rule: FlowRule = {
      buffer: 4_000,
      shed: "newest",
      priority: undefined,
      aggregate: "latest_per_key",
      ...more,
    };
    const queue = new EphemeralQueue({
      topic: "t.v1",
      subscription: {
        topic: "t.v1",
        batch: undefined,
        ratePerS: undefined,
        buffer: undefined,
        retries: 3,
        from: "beginning",
      },
      rule,
      clock: new MemoryClock(),
      wake: () => {},
      thinned: () => {},
    });
    const push = (order: number): void =>
      queue.push(
        { kind: "event", topic: "t.v1", partition: 0, seq: null, key: String(order), event: EVENT },
        order,
      );
    for (let order = 0; order < PUSHED; order++) push(order);
    const { shed } = queue.stats;
    assert.ok(queue.waiting * EVENT.length <= MAX_KEPT_BYTES + EVENT.length, `${queue.waiting} wait`);
    assert.ok(queue.waiting > 1);
    assert.equal(queue.waiting + shed, PUSHED);
    // What was taken makes room again.
    for (let left = queue.waiting; left > 0; left--) queue.take();
    push(PUSHED);
    assert.deepEqual([queue.waiting, queue.stats.shed], [1, shed]);
  }
});
