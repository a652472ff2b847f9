import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { channelCrypto as crypto } from "../../../../kernel/drivers/device/src/powers/channel-crypto.ts";
import { createSealed, type Sealed } from "../src/sealed.ts";
import { MAX_COUNTER, PAYLOAD_CONTROL } from "../src/wire.ts";
import { createReplayWindow, WINDOW } from "../src/window.ts";

function pair(maxCounter = MAX_COUNTER): { a: Sealed; b: Sealed } {
  const [x, y] = [crypto.random(32), crypto.random(32)];
  return {
    a: createSealed({ crypto, sendKey: x, receiveKey: y, theirIndex: 1, maxCounter }),
    b: createSealed({ crypto, sendKey: y, receiveKey: x, theirIndex: 2, maxCounter }),
  };
}
const seal = (sealed: Sealed, n: number): Uint8Array => {
  const message = sealed.seal(PAYLOAD_CONTROL, Uint8Array.of(n >> 8, n & 255));
  assert.ok(message);
  return message;
};

/** Remembers everything: what the bitmap has to agree with. */
function dumbWindow(): { accept(counter: number): boolean } {
  const seen = new Set<number>();
  let greatest = -1;
  return {
    accept(counter) {
      if (seen.has(counter) || counter <= greatest - WINDOW) return false;
      seen.add(counter);
      greatest = Math.max(greatest, counter);
      return true;
    },
  };
}

test("the replay window agrees with one that remembers everything (W1, W2)", () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: -40, max: 40 }) },
    { weight: 3, arbitrary: fc.integer({ min: -2 * WINDOW - 70, max: 2 * WINDOW + 70 }) },
    { weight: 1, arbitrary: fc.constantFrom(-WINDOW, -WINDOW + 1, -WINDOW - 1, 2 ** 33, 4096, 4097) },
  );
  fc.assert(
    fc.property(fc.nat(2 ** 40), fc.array(step, { maxLength: 300 }), (start, steps) => {
      const window = createReplayWindow();
      const dumb = dumbWindow();
      let at = start;
      for (const by of steps) {
        const counter = Math.max(0, at + by);
        assert.equal(window.accept(counter), dumb.accept(counter), `counter ${counter}`);
        if (counter > at) at = counter;
      }
    }),
    { numRuns: 400 },
  );
});

test("whatever the order and however often, a frame is opened at most once and none within the window is lost (S3)", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(199), { maxLength: 400 }), (order) => {
      const { a, b } = pair();
      const messages = Array.from({ length: 200 }, (_, n) => seal(a, n));
      const opened = new Map<number, number>();
      for (const n of order) {
        const result = b.open(messages[n] ?? new Uint8Array());
        if (typeof result === "string") assert.equal(result, "frameReplayed");
        else opened.set(n, (opened.get(n) ?? 0) + 1);
      }
      assert.deepEqual(new Set(opened.keys()), new Set(order));
      assert.ok([...opened.values()].every((times) => times === 1));
    }),
    { numRuns: 60 },
  );
});

test("a flipped bit of counter or box is a forgery and does not move the window (S2)", () => {
  const { a, b } = pair();
  const message = seal(a, 1);
  fc.assert(
    fc.property(fc.integer({ min: 8, max: message.length - 1 }), fc.nat(7), (at, bit) => {
      const copy = message.slice();
      copy[at] = (copy[at] ?? 0) ^ (1 << bit);
      assert.ok(["frameForged", "frameCounterExhausted"].includes(b.open(copy) as string));
    }),
  );
  assert.notEqual(typeof b.open(message), "string");
});

test("a frame of another channel, or sent back where it came from, is not opened", () => {
  const { a, b } = pair();
  const other = pair();
  const message = seal(a, 1);
  assert.equal(other.b.open(message), "frameForged");
  assert.equal(a.open(message), "frameForged");
  assert.notEqual(typeof b.open(message), "string");
});

test("a counter that is used up seals nothing more and opens nothing beyond (S1)", () => {
  const { a, b } = pair(3);
  const messages = [seal(a, 0), seal(a, 1), seal(a, 2)];
  assert.equal(a.seal(PAYLOAD_CONTROL, new Uint8Array()), null);
  for (const message of messages) assert.notEqual(typeof b.open(message), "string");
  const far = messages[2]?.slice() ?? new Uint8Array();
  far[15] = 3;
  assert.equal(b.open(far), "frameCounterExhausted");
});
