/** What a turn may make the kernel write out by asking for keys. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { KeyRounds } from "../../src/ledger/key-rounds.ts";
import { emptyShard, type ShardState } from "../../src/ledger/shard-state.ts";

/** Too large to be handed over whole. */
function stateOf(keys: number, value: string): ShardState {
  const state = emptyShard("test.capsule/0");
  for (let n = 0; n < keys; n++) {
    state.keys.set(`k${n}`, value);
    state.versions.set(`k${n}`, 7);
  }
  state.size = 2 ** 24;
  return state;
}

const asks = (...keys: string[]) => ({ keys, ranges: [] });
const many = <T>(count: number, make: (n: number) => T): T[] =>
  Array.from({ length: count }, (_, n) => make(n));

test("a key is given once, however often and in whatever way it is asked for (KY1)", () => {
  const state = stateOf(20, "v");
  const given = new KeyRounds();
  assert.equal(given.serve(state, asks("k1", "k1", "k2", "none", "none")), undefined);
  assert.deepEqual(given.keys, [["k1", "v", 7], ["k2", "v", 7], ["none"]]);
  assert.equal(given.serve(state, { keys: ["k1"], ranges: ["k1", "k1", "k10", "k"] }), undefined);
  assert.deepEqual(given.ranges, ["k"]);
  assert.equal(given.keys.length, 21);
  assert.equal(given.serve(state, { keys: ["k1"], ranges: ["k", "k3"] }), undefined);
  assert.deepEqual(given.ranges, ["k"]);
  assert.equal(given.keys.length, 21);
});

test("a small state is handed over once, not again with each further key", () => {
  const state = stateOf(20, "v");
  state.size = 1_000;
  const given = new KeyRounds();
  for (let n = 0; n < 50; n++) assert.equal(given.serve(state, asks(`none${n}`)), undefined);
  assert.deepEqual(given.ranges, [""]);
  assert.equal(given.keys.length, 70);
});

test("few bytes that ask for much are refused before anything is written out", () => {
  const state = stateOf(600, "x".repeat(60_000));
  const given = new KeyRounds();
  // The same again and again is one key.
  assert.equal(given.serve(state, asks(...many(65_536, () => "k1"))), undefined);
  assert.equal(given.keys.length, 1);
  assert.equal(given.serve(state, { keys: [], ranges: ["k"] })?.code, "TURN_KEYS_TOO_LARGE");
});

test("what a turn is given at once fits a message to its host when each character takes three bytes", () => {
  const most = (characters: number): KeyRounds | undefined => {
    const given = new KeyRounds();
    const state = stateOf(16, "\u6f22".repeat(characters));
    return given.serve(state, { keys: [], ranges: ["k"] }) === undefined ? given : undefined;
  };
  assert.equal(most(1_400_000), undefined);
  const given = most(1_310_000);
  assert.ok(given !== undefined);
  assert.ok(Buffer.byteLength(JSON.stringify(given.keys)) < 63 * 1024 * 1024);
});

test("a turn that was given much cannot have it written out a thousand times", () => {
  const state = stateOf(300, "x".repeat(60_000));
  const given = new KeyRounds();
  assert.equal(given.serve(state, { keys: [], ranges: ["k"] }), undefined);
  let rounds = 1;
  while (given.serve(state, asks(`none${rounds}`)) === undefined) rounds++;
  assert.ok(rounds > 5 && rounds < 20, `${rounds} rounds`);
  assert.equal(given.serve(state, asks("one more"))?.code, "TURN_KEYS_TOO_LARGE");
});

test("a thousand single keys are asked for one after the other, and no more", () => {
  const state = stateOf(5_000, "x".repeat(100));
  const given = new KeyRounds();
  assert.equal(given.goesAlone, false);
  for (let n = 0; n < 1_000; n++) assert.equal(given.serve(state, asks(`k${n}`)), undefined);
  assert.equal(given.goesAlone, true);
  assert.equal(given.serve(state, asks("k1000"))?.code, "TURN_KEYS_ENDLESS");
});
