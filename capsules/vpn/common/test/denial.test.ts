/** Denials are said and counted: none is lost, none is said twice, and a flood of them is a few events. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DENIAL_WINDOW_MS, type Denial, type Denied, deny, MAX_WINDOWS, onDenialsDue } from "../src/index.ts";

function denial(peer: string, reason: string): Denial {
  return {
    ...{ sessionId: null, peer, by: "gateway", asked: "frame", reason, state: null, version: 0, epoch: 0 },
    ...{ channelId: null, pathId: null, evidence: {} },
  };
}

/** A turn after a turn on the same keys, with a clock moved by hand. */
class Desk {
  at = 1_000;
  readonly said: Denied[] = [];
  readonly #keys = new Map<string, unknown>();
  #dueAt: number | null = null;

  deny(peer: string, reason: string): void {
    deny(this.#turn(), peer, denial(peer, reason));
  }

  advance(ms: number): void {
    const until = this.at + ms;
    while (this.#dueAt !== null && this.#dueAt <= until) {
      this.at = this.#dueAt;
      this.#dueAt = null;
      onDenialsDue(this.#turn());
    }
    this.at = until;
  }

  get windows(): number {
    return [...this.#keys.keys()].filter((key) => key !== "denied/open").length;
  }

  counted(reason: string): number {
    return this.said.filter((one) => one.reason === reason).reduce((sum, one) => sum + one.count, 0);
  }

  #turn(): Parameters<typeof onDenialsDue>[0] {
    return {
      at: this.at,
      keys: {
        get: (key) => this.#keys.get(key),
        set: (key, value) => void this.#keys.set(key, value),
        delete: (key) => void this.#keys.delete(key),
        getAll: (keys) => keys.map((key) => this.#keys.get(key)),
      },
      publish: (_topic, _key, event) => void this.said.push(event),
      setTimer: (_id, at) => {
        this.#dueAt = at;
      },
    };
  }
}

test("the first denial is said at once, the rest of its minute with one event and their count (DN1, DN2)", () => {
  const desk = new Desk();
  for (let n = 0; n < 500; n++) desk.deny("ann", "RATE_LIMITED");
  assert.deepEqual(
    desk.said.map(({ count, at }) => [count, at]),
    [[1, 1_000]],
  );
  desk.advance(DENIAL_WINDOW_MS);
  assert.deepEqual(
    desk.said.map(({ count, since, at }) => [count, since, at]),
    [
      [1, 1_000, 1_000],
      [499, 1_000, 61_000],
    ],
  );
  desk.advance(2 * DENIAL_WINDOW_MS);
  assert.deepEqual([desk.said.length, desk.windows], [2, 0]);
});

test("whatever is denied when, every denial is said once, and no asker and reason fills a minute (DN1, DN2)", () => {
  const step = fc.record({
    peer: fc.constantFrom("ann", "bob", "eve"),
    reason: fc.constantFrom("RATE_LIMITED", "FRAME_MALFORMED"),
    pause: fc.oneof(fc.constant(0), fc.nat(200), fc.nat(2 * DENIAL_WINDOW_MS)),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const desk = new Desk();
      for (const { peer, reason, pause } of steps) {
        desk.advance(pause);
        desk.deny(peer, reason);
      }
      desk.advance(3 * DENIAL_WINDOW_MS);
      for (const reason of ["RATE_LIMITED", "FRAME_MALFORMED"]) {
        assert.equal(desk.counted(reason), steps.filter((one) => one.reason === reason).length);
        for (const peer of ["ann", "bob", "eve"]) {
          const times = desk.said
            .filter((one) => one.peer === peer && one.reason === reason)
            .map(({ at }) => at);
          for (const [index, at] of times.entries())
            assert.ok(index === 0 || at >= (times[index - 1] as number) + DENIAL_WINDOW_MS, times.join(" "));
        }
      }
      assert.equal(desk.windows, 0);
    }),
  );
});

test("keys without end cost bounded memory, and what they were denied is counted all the same (DN3)", () => {
  const desk = new Desk();
  const peers = 2 * MAX_WINDOWS;
  for (let n = 0; n < peers; n++) desk.deny(`key${n}`, "PEER_NOT_ADMITTED");
  assert.ok(desk.windows <= MAX_WINDOWS + 1);
  desk.advance(2 * DENIAL_WINDOW_MS);
  assert.equal(desk.counted("PEER_NOT_ADMITTED"), peers);
  assert.ok(desk.said.length <= MAX_WINDOWS + 2, `${desk.said.length}`);
  assert.equal(desk.said.at(-1)?.peer, null);
});
