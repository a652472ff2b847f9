import assert from "node:assert/strict";
import { test } from "node:test";
import { type Bindable, type Bindings, resolve } from "@vnes/kernel";
import type { Manifest, TopicDefinition } from "@vnes/schemas";
import fc from "fast-check";
import { satisfies } from "../../src/binding/requirement.ts";
import { manifestOf, policy } from "../harness/node-harness.ts";

const capsule = (
  id: string,
  provides: readonly string[],
  requires: readonly string[],
  more: Partial<Manifest> = {},
  topics: Bindable["topics"] = [],
): Bindable => {
  const manifest = manifestOf(id, more);
  return {
    id,
    version: "1.0.0",
    manifest: { ...manifest, capabilities: { ...manifest.capabilities, provides, requires } },
    topics,
  };
};

const codes = (bindings: Bindings): { readonly [id: string]: readonly string[] } =>
  Object.fromEntries(bindings.refused.map(({ id, reasons }) => [id, reasons.map(({ code }) => code)]));

test("providers start before those that require them; ids break ties; shutdown is the reverse (B2)", () => {
  const bindings = resolve(
    [capsule("c", [], ["x", "y"]), capsule("b", ["y"], ["x"]), capsule("z", ["x"], []), capsule("a", [], [])],
    policy,
  );
  assert.deepEqual(bindings.order, ["a", "z", "b", "c"]);
  assert.deepEqual(bindings.refused, []);
});

test("missing, and whoever depends on it, is refused by name; the others stay (B1)", () => {
  const bindings = resolve(
    [capsule("a", ["p"], ["nowhere"]), capsule("b", [], ["p"]), capsule("c", [], [])],
    policy,
  );
  assert.deepEqual(codes(bindings), { a: ["BINDING_CAPABILITY_MISSING"], b: ["BINDING_PROVIDER_REFUSED"] });
  assert.deepEqual(bindings.order, ["c"]);
  assert.match(bindings.refused[0]?.reasons[0]?.message ?? "", /nowhere/);
});

test("a circle is refused with the circle spelled out", () => {
  const bindings = resolve(
    [capsule("a", ["p"], ["q"]), capsule("b", ["q"], ["p"]), capsule("s", ["s"], ["s"])],
    policy,
  );
  assert.deepEqual(codes(bindings), { a: ["BINDING_CYCLE"], b: ["BINDING_CYCLE"], s: ["BINDING_CYCLE"] });
  assert.match(bindings.refused[0]?.reasons[0]?.message ?? "", /a -> b -> a/);
});

test("two candidates are a refusal with both names, never a choice (B3)", () => {
  const bindings = resolve(
    [capsule("a", ["p"], []), capsule("b", ["p"], []), capsule("c", [], ["p"])],
    policy,
  );
  assert.deepEqual(codes(bindings), { c: ["BINDING_AMBIGUOUS"] });
  assert.match(bindings.refused[0]?.reasons[0]?.message ?? "", /a, b/);
});

test("an optional requirement that nothing provides, or whose provider is refused, refuses nobody (B4)", () => {
  const optional = (id: string, requires: readonly string[], publishes: readonly string[] = []): Bindable => {
    const made = capsule(id, [], requires, { bus: { publishes, x_optional: publishes } });
    const capabilities = { ...made.manifest.capabilities, x_optional: requires };
    return { ...made, manifest: { ...made.manifest, capabilities } };
  };
  const alone = resolve([optional("a", ["x@^1"], ["said.v1"])], policy);
  assert.deepEqual([alone.refused, alone.order, alone.bindings], [[], ["a"], []]);

  const there = resolve([optional("a", ["x@^1"]), capsule("z", ["x@1.2.0"], [])], policy);
  assert.deepEqual(there.order, ["z", "a"]);
  assert.deepEqual(there.bindings, [{ requirer: "a", requirement: "x@^1", provider: "z" }]);

  const broken = resolve([optional("a", ["x@^1"]), capsule("z", ["x@1.2.0"], ["nowhere"])], policy);
  assert.deepEqual([codes(broken), broken.order], [{ z: ["BINDING_CAPABILITY_MISSING"] }, ["a"]]);

  const unfit = resolve([optional("a", ["x@^1"]), capsule("z", ["x@2.0.0"], [])], policy);
  assert.deepEqual(codes(unfit), { a: ["BINDING_VERSION_MISMATCH"] });

  const heard = resolve(
    [capsule("a", [], [], { bus: { subscribes: ["said.v1"], x_optional: ["said.v1"] } })],
    policy,
  );
  assert.deepEqual(codes(heard), { a: ["BINDING_TOPIC_UNKNOWN"] });
});

test("a provider that is less deterministic, or in a zone that may not provide, is refused by name; a driver may be anything", () => {
  const low = { capabilities: { provides: [], determinism_tier: "NX_experimental" as const } };
  const tenant = { security: { trust_zone: "tenant" as const } };
  const bindings = resolve(
    [
      capsule("weak", ["weak"], [], low),
      capsule("radio", ["radio"], [], { ...low, type: "driver" }),
      capsule("lodger", ["lodger"], [], tenant),
      capsule("one", [], ["weak"]),
      capsule("two", [], ["lodger"]),
      capsule("three", [], ["radio"]),
      capsule("four", [], ["one"]),
    ],
    policy,
  );
  assert.deepEqual(codes(bindings), {
    one: ["BINDING_TIER_TOO_LOW"],
    two: ["BINDING_ZONE_FORBIDDEN"],
    four: ["BINDING_CAPABILITY_MISSING"],
  });
  const allowed = resolve([capsule("lodger", ["lodger"], [], tenant), capsule("two", [], ["lodger"])], {
    ...policy,
    providers: { system: ["tenant"] },
  });
  assert.deepEqual(allowed.refused, []);
});

test("ranges read as npm's do", () => {
  const yes: [string, string][] = [
    ["1.2.3", "1.2.3"],
    ["1.2.3", "^1.0"],
    ["1.9.9", "^1.2.3"],
    ["1.2.9", "~1.2.3"],
    ["2.0.0", ">=1.2"],
    ["0.2.9", "^0.2.3"],
    ["0.0.3", "^0.0.3"],
    ["1.4.0", "1"],
    ["1.4.7", "1.4"],
  ];
  const no: [string, string][] = [
    ["1.2.4", "1.2.3"],
    ["2.0.0", "^1.0"],
    ["1.3.0", "~1.2.3"],
    ["1.1.9", ">=1.2"],
    ["0.3.0", "^0.2.3"],
    ["0.0.4", "^0.0.3"],
    ["2.0.0", "1"],
    ["1.5.0", "1.4"],
    ["1.0.0", "latest"],
  ];
  for (const [version, range] of yes) assert.ok(satisfies(version, range), `${version} in ${range}`);
  for (const [version, range] of no) assert.ok(!satisfies(version, range), `${version} not in ${range}`);
  assert.ok(satisfies(null, "^9"));
});

test("a version that does not fit is refused and names what there is", () => {
  const bindings = resolve([capsule("a", ["p@1.0.0"], []), capsule("b", [], ["p@^2"])], policy);
  assert.deepEqual(codes(bindings), { b: ["BINDING_VERSION_MISMATCH"] });
  assert.match(bindings.refused[0]?.reasons[0]?.message ?? "", /p@1\.0\.0 of a/);
});

const definition = (topic: string, owner: string, policyName: "block" | "shed"): TopicDefinition => ({
  schema_version: "v1",
  topic,
  owner,
  description: "",
  schemas: [{}],
  partition: { count: 1 },
  quality: policyName === "block" ? "exactly_once" : "at_least_once",
  retention: {},
  flow: { policy: policyName, buffer: 1 },
});

test("topics: unknown, defined twice differently, and circles that block are refused; byte-equal ones and shedding ones pass", () => {
  const bus = (publishes: string[], subscribes: string[]): Partial<Manifest> => ({
    bus: { publishes, subscribes },
  });
  const offer = (topic: string, kind: "block" | "shed", hash = "h"): Bindable["topics"] => [
    { definition: definition(topic, "x", kind), hash },
  ];
  const circle = (kind: "block" | "shed"): Bindings =>
    resolve(
      [
        capsule("a", [], [], bus(["one.v1"], ["two.v1"]), offer("one.v1", kind)),
        capsule("b", [], [], bus(["two.v1"], ["one.v1"]), offer("two.v1", kind)),
      ],
      policy,
    );
  assert.deepEqual(codes(circle("block")), { a: ["BINDING_TOPIC_CYCLE"], b: ["BINDING_TOPIC_CYCLE"] });
  assert.deepEqual(circle("shed").refused, []);
  // A policy capsule may say block at any time.
  const decided = {
    ...definition("one.v1", "x", "shed"),
    flow: { policy: "shed", buffer: 1, decided_by: "c" },
  };
  const alone = capsule("a", [], [], bus(["one.v1"], ["one.v1"]), [
    { definition: decided as TopicDefinition, hash: "h" },
  ]);
  assert.deepEqual(codes(resolve([alone], policy)), { a: ["BINDING_TOPIC_CYCLE"] });
  assert.deepEqual(codes(resolve([capsule("a", [], [], bus([], ["none.v1"]))], policy)), {
    a: ["BINDING_TOPIC_UNKNOWN"],
  });
  const twice = (hash: string): Bindings =>
    resolve(
      [
        capsule("a", [], [], {}, offer("one.v1", "shed", "h")),
        capsule("b", [], [], {}, offer("one.v1", "shed", hash)),
      ],
      policy,
    );
  assert.deepEqual(codes(twice("other")), { b: ["BINDING_TOPIC_DEFINED_TWICE"] });
  assert.deepEqual(twice("h").refused, []);
});

/** The dumb model: try every set; keep the largest in which each requirement has exactly one provider and an order exists. */
function model(graph: readonly { readonly id: string; readonly requires: readonly string[] }[]): Set<string> {
  let alive = new Set(graph.map(({ id }) => id));
  for (;;) {
    const reachable = (from: string, seen = new Set<string>()): Set<string> => {
      for (const next of graph.find(({ id }) => id === from)?.requires ?? []) {
        if (seen.has(next)) continue;
        seen.add(next);
        reachable(next, seen);
      }
      return seen;
    };
    const next = new Set(
      graph
        .filter(
          ({ id, requires }) =>
            alive.has(id) && requires.every((one) => alive.has(one)) && !reachable(id).has(id),
        )
        .map(({ id }) => id),
    );
    if (next.size === alive.size) return alive;
    alive = next;
  }
}

test("for any graph: exactly those start that the dumb model lets start, in an order that honours every requirement", () => {
  const ids = ["a", "b", "c", "d", "e", "f"];
  const graphs = fc.array(fc.subarray([...ids, "missing"]), { minLength: ids.length, maxLength: ids.length });
  fc.assert(
    fc.property(graphs, (requires) => {
      const graph = ids.map((id, index) => ({ id, requires: requires[index] ?? [] }));
      const { order, refused } = resolve(
        graph.map((one) => capsule(one.id, [one.id], one.requires)),
        policy,
      );
      assert.deepEqual([...order].sort(), [...model(graph)].sort());
      assert.equal(order.length + refused.length, ids.length);
      order.forEach((id, index) => {
        for (const one of graph.find((node) => node.id === id)?.requires ?? []) {
          assert.ok(
            order.indexOf(one) >= 0 && order.indexOf(one) < index,
            `${one} before ${id} in ${order.join()}`,
          );
        }
      });
    }),
    { numRuns: 500 },
  );
});
