/** A total order, and reasons that are true. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DEFAULT_POLICY, type RankPolicy } from "../src/policy.ts";
import { type Candidate, type Place, rank } from "../src/ranking.ts";

const few = fc.constantFrom(0, 1, 2, 10, 0.1, 0.30000000000000004);
const candidate = fc.record(
  {
    id: fc.constantFrom("a", "b", "c", "d", "e", "B", "\u{10000}", "\uffff"),
    priority: fc.constantFrom(1, 2),
    lossPercent: few,
    latencyMs: fc.oneof(few, fc.double({ min: 0, max: 60_000, noNaN: true })),
    failures: fc.nat(2),
  },
  { requiredKeys: ["id"] },
) as fc.Arbitrary<Candidate>;
const candidates = fc.uniqueArray(candidate, { selector: ({ id }) => id, minLength: 1, maxLength: 8 });
const policy: fc.Arbitrary<RankPolicy> = fc.record({
  latencyWeight: fc.constantFrom(0, 1, 3),
  lossWeightMs: fc.constantFrom(0, 20),
  failureWeightMs: fc.constantFrom(0, 1, 1_000),
  unknownLatencyMs: fc.constantFrom(0, 200),
  maxEstimateError: fc.constant(0.5),
  geometryTimeoutMs: fc.constant(50),
});
const ids = (places: readonly Place[]): readonly string[] => places.map(({ id }) => id);

test("the order is total: it depends neither on the order of the candidates nor on which others there are (RK1)", () => {
  fc.assert(
    fc.property(candidates, policy, fc.nat(), (given, weights, turn) => {
      const order = ids(rank(given, weights));
      assert.deepEqual([...order].sort(), given.map(({ id }) => id).sort());
      const rotated = given.map((_, index) => given[(index + turn) % given.length] as Candidate);
      assert.deepEqual(ids(rank(rotated, weights)), order);
      assert.deepEqual(ids(rank([...given].reverse(), weights)), order);
      // Pairs alone are ordered as they are among the others: with the above, antisymmetric and transitive.
      for (const [place, first] of order.entries()) {
        for (const second of order.slice(place + 1)) {
          const two = given.filter(({ id }) => id === first || id === second);
          assert.deepEqual(ids(rank(two, weights)), [first, second]);
        }
      }
    }),
  );
});

test("what is said to have decided did: its two values differ the right way, and equal ones before it do not (RK2)", () => {
  fc.assert(
    fc.property(candidates, policy, (given, weights) => {
      const places = rank(given, weights);
      const of = (id: string): Candidate => given.find((one) => one.id === id) as Candidate;
      for (const [index, { id, costMs, decidedBy }] of places.entries()) {
        const next = places[index + 1];
        if (next === undefined) {
          assert.equal(decidedBy, null);
          continue;
        }
        assert.ok(decidedBy !== null);
        assert.equal(decidedBy.against, next.id);
        assert.ok(decidedBy.value < decidedBy.next, JSON.stringify(decidedBy));
        const samePriority = (of(id).priority ?? 100) === (of(next.id).priority ?? 100);
        if (decidedBy.criterion === "priority") assert.ok(!samePriority);
        else if (decidedBy.criterion === "id") assert.ok(samePriority && costMs === next.costMs);
        else assert.ok(samePriority && costMs < next.costMs);
      }
    }),
  );
});

test("priority goes before cost, cost before id, and the greatest gain is the reason", () => {
  const places = rank(
    [
      { id: "sat", priority: 10, latencyMs: 600 },
      { id: "lte", priority: 10, latencyMs: 50, lossPercent: 1, failures: 1 },
      { id: "wifi", priority: 10, latencyMs: 60, lossPercent: 40 },
      { id: "cable", priority: 20, latencyMs: 1 },
      { id: "alt", priority: 10, latencyMs: 600 },
    ],
    DEFAULT_POLICY,
  );
  assert.deepEqual(
    places.map(({ id, decidedBy }) => [
      id,
      decidedBy?.criterion,
      decidedBy?.value,
      decidedBy?.next,
      decidedBy?.unit,
    ]),
    [
      ["alt", "id", "alt", "sat", null],
      ["sat", "loss", 0, 40, "percent"],
      ["wifi", "stability", 0, 1, "failures"],
      ["lte", "priority", 10, 20, null],
      ["cable", undefined, undefined, undefined, undefined],
    ],
  );
});

test("an estimate stands in for a measurement, and an assumption for both; each is said", () => {
  const given = [{ id: "a", latencyMs: 30 }, { id: "b" }, { id: "c" }];
  const places = rank(
    given,
    DEFAULT_POLICY,
    new Map([
      ["a", 1],
      ["b", 10],
    ]),
  );
  assert.deepEqual(
    places.map(({ id, latencyMs, latencyFrom }) => [id, latencyMs, latencyFrom]),
    [
      ["b", 10, "geometry"],
      ["a", 30, "measured"],
      ["c", 200, "assumed"],
    ],
  );
});
