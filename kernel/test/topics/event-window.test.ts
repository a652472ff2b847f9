import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { EventWindow } from "../../src/runtime/topics/event-window.ts";

test("a window keeps the newest events, never more than its bounds, and never none", () => {
  const bounds = fc.record({
    events: fc.integer({ min: 1, max: 12 }),
    bytes: fc.integer({ min: 1, max: 60 }),
  });
  fc.assert(
    fc.property(
      bounds,
      fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 60 }),
      (most, sizes) => {
        const window = new EventWindow(most);
        sizes.forEach((size, index) => {
          const seq = index + 1;
          window.push({ seq, key: "", event: size, hash: "", size });
          let first = seq;
          while (first > 1 && window.peek(first - 1, 1) !== undefined) first--;
          const kept = window.peek(first, 1_000) ?? [];
          assert.deepEqual(
            kept.map((event) => event.seq),
            Array.from({ length: seq - first + 1 }, (_, n) => first + n),
          );
          const bytes = kept.reduce((sum, { event }) => sum + (event as number), 0);
          assert.ok(kept.length === 1 || (kept.length <= most.events && bytes <= most.bytes));
          assert.equal(window.peek(first - 1, 1), undefined);
          assert.deepEqual(window.peek(seq + 1, 1), []);
        });
      },
    ),
  );
});
