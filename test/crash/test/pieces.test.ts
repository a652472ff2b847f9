import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import { SeededRandom } from "@vnes/driver-memory";
import fc from "fast-check";
import { judgeRound } from "../counts.ts";
import { planKills } from "../kill-plan.ts";
import { MUTANTS } from "../mutants.ts";
import { mutated } from "../substitution.ts";

test("every mutant changes the sources as they are now", () => {
  assert.equal(MUTANTS.length, 5);
  for (const mutant of MUTANTS) {
    const source = readFileSync(fileURLToPath(new URL(`../../../${mutant.file}`, import.meta.url)), "utf8");
    assert.notEqual(mutated(source, mutant), source, mutant.name);
  }
});

test("a mutant whose text is missing or stands twice is an error", () => {
  const mutant = { name: "m", breaks: "", file: "f", find: "x", replace: "y" };
  assert.equal(mutated("a x b", mutant), "a y b");
  assert.throws(() => mutated("a b", mutant), /stands 0 times/);
  assert.throws(() => mutated("x x", mutant), /stands 2 times/);
});

const whole = (ids: readonly string[]) => Object.fromEntries(ids.map((id) => [id, 1]));

test("a round is whole when what was acknowledged stands once on every path, and the rest once or never", () => {
  const facts = { sent: new Set(["r1-1", "r1-2", "r1-3"]), acknowledged: new Set(["r1-1"]) };
  const kept = whole(["r1-1", "r1-2"]);
  assert.deepEqual(judgeRound(facts, { own: kept, noted: kept, topic: kept, call: kept }), {
    wrong: [],
    missing: [],
  });
});

test("anything lost, doubled, half done or invented shows", () => {
  const facts = { sent: new Set(["r1-1", "r1-2"]), acknowledged: new Set(["r1-1"]) };
  const kept = whole(["r1-1"]);
  const good = { own: kept, noted: kept, topic: kept, call: kept };
  for (const path of ["own", "noted", "topic", "call"] as const) {
    const without = judgeRound(facts, { ...good, [path]: {} });
    assert.deepEqual([without.wrong.length, without.missing.length], [path === "own" ? 1 : 0, 1]);
    assert.equal(judgeRound(facts, { ...good, [path]: { "r1-1": 2 } }).wrong.length, 1);
    assert.equal(judgeRound(facts, { ...good, [path]: whole(["r1-1", "r1-9"]) }).wrong.length, 1);
    assert.equal(judgeRound(facts, { ...good, [path]: whole(["r1-1", "r1-2"]) }).missing.length, 1);
  }
});

test("the plan of a seed repeats, and every fifth kill is a power cut", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 200 }), fc.nat(), (kills, seed) => {
      const plan = planKills(kills, new SeededRandom(seed));
      assert.deepEqual(plan, planKills(kills, new SeededRandom(seed)));
      assert.equal(plan.filter(({ way }) => way === "powerCut").length, Math.floor(kills / 5));
    }),
  );
});
