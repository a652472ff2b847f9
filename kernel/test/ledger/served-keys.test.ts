/** What a sandbox is given of a shard's keys when its turns asked for some, or will ask. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { TurnResult } from "@vnes/schemas";
import { serveForeseen, serveKeys } from "../../src/ledger/served-keys.ts";
import { emptyShard, type ShardState } from "../../src/ledger/shard-state.ts";

const asks = (turn: number, ...keys: string[]): TurnResult => ({ turn, kind: "needKeys", keys, ranges: [] });

function stateOf(values: { readonly [key: string]: string }, size: number): ShardState {
  const state = emptyShard("test.capsule/0");
  for (const [key, value] of Object.entries(values)) {
    state.keys.set(key, value);
    state.versions.set(key, 7);
  }
  state.size = size;
  return state;
}

test("a small state is handed over whole, and then nothing of it is foreseen", () => {
  const state = stateOf({ a: "1", b: "2" }, 1_000);
  const served = serveKeys(state, { keys: ["a"], ranges: [] });
  assert.deepEqual(served.ranges, [""]);
  assert.deepEqual(serveForeseen(state, [asks(2, "b")], served), []);
});

test("of a large state come the keys asked for, and once each those that turns behind will ask for", () => {
  const state = stateOf({ a: "1", b: "2", c: "3" }, 2 ** 24);
  const served = serveKeys(state, { keys: ["a", "none"], ranges: [] });
  assert.deepEqual(served, { keys: [["a", "1", 7], ["none"]], ranges: [] });
  const behind = [asks(2, "a", "b"), asks(3), asks(4, "b", "gone")];
  assert.deepEqual(serveForeseen(state, behind, served), [["b", "2", 7], ["gone"]]);
});

test("what is foreseen is bounded: large values wait until they are asked for", () => {
  const large = Object.fromEntries(Array.from({ length: 8 }, (_, n) => [`k${n}`, "x".repeat(300_000)]));
  const state = stateOf(large, 2 ** 24);
  const behind = Object.keys(large).map((key, n) => asks(n + 2, key));
  assert.equal(serveForeseen(state, behind, { keys: [], ranges: [] }).length, 3);
});
