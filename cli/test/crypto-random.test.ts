import assert from "node:assert/strict";
import { test } from "node:test";
import { cryptoRandom } from "../src/node/crypto-random.ts";

test("a seed is 16 hex digits and none is given twice, over several pools", () => {
  const seeds = new Set<string>();
  for (let count = 1; count <= 2_000; count++) {
    const seed = cryptoRandom.seed();
    assert.match(seed, /^[0-9a-f]{16}$/);
    assert.equal(seeds.add(seed).size, count);
  }
});
