/** Whose a name is: the rules Y4 and Y5, and that no capsule of another tenant changes what starts and who is bound to whom. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Bindable, resolve } from "@vnes/kernel";
import type { Policy, TopicDefinition, TrustZone } from "@vnes/schemas";
import fc from "fast-check";
import { manifestOf, policy } from "../harness/node-harness.ts";

interface Shape {
  readonly id: string;
  readonly owner?: string;
  readonly zone?: TrustZone;
  readonly provides?: readonly string[];
  readonly requires?: readonly string[];
  readonly defines?: readonly string[];
  readonly publishes?: readonly string[];
  readonly subscribes?: readonly string[];
}

function bindable(shape: Shape): Bindable {
  const { id, owner = "one", zone = "tenant", provides = [], requires = [], defines = [] } = shape;
  const manifest = manifestOf(id, {
    capabilities: { provides, requires },
    governance: { tier: "local", audit_level: "none", owner },
    security: { trust_zone: zone },
    bus: { publishes: shape.publishes ?? [], subscribes: shape.subscribes ?? [] },
  });
  const topics = defines.map((topic) => ({ definition: definitionOf(topic, id), hash: id }));
  return { id, version: "1.0.0", manifest, topics };
}

function definitionOf(topic: string, owner: string): TopicDefinition {
  return {
    schema_version: "v1",
    topic,
    owner,
    description: "",
    schemas: [{}],
    partition: { count: 1 },
    quality: "exactly_once",
    retention: {},
    flow: { policy: "block", buffer: 1 },
  };
}

const open: Policy = { ...policy, providers: { tenant: ["tenant", "system"], system: ["system"] } };
const bind = (...shapes: readonly Shape[]): ReturnType<typeof resolve> => resolve(shapes.map(bindable), open);
const refused = (...shapes: readonly Shape[]): { readonly [id: string]: readonly string[] } =>
  Object.fromEntries(bind(...shapes).refused.map(({ id, reasons }) => [id, reasons.map(({ code }) => code)]));

test("a name in a namespace is of capsules of that namespace only, zone system aside (Y4)", () => {
  const foreign = ["BINDING_NAME_FOREIGN"];
  assert.deepEqual(refused({ id: "acme.a", provides: ["globex.vault"] }), { "acme.a": foreign });
  assert.deepEqual(refused({ id: "acme.a", defines: ["globex.vault.v1"] }), { "acme.a": foreign });
  assert.deepEqual(refused({ id: "acme.a", provides: ["acmes.vault"] }), { "acme.a": foreign });
  assert.deepEqual(
    refused({ id: "acme.a", provides: ["acme.b", "prices"], defines: ["acme.b.v1", "b.v1"] }),
    {},
  );
  assert.deepEqual(refused({ id: "vnes.a", zone: "system", provides: ["vpn.session"] }), {});
});

test("of several tenants zone system has a name, then the capsule it begins with, then nobody (Y5)", () => {
  const taken = ["BINDING_NAME_TAKEN"];
  const system: Shape = { id: "vnes.routing", zone: "system", provides: ["routing"] };
  assert.deepEqual(refused({ id: "acme.a", provides: ["routing"] }, system), { "acme.a": taken });
  const two = [
    { id: "acme.a", provides: ["prices"] },
    { id: "globex.b", provides: ["prices"] },
  ];
  assert.deepEqual(refused(...two), { "acme.a": taken, "globex.b": taken });
  const ada: Shape = { id: "acme.zoo", owner: "ada", defines: ["acme.zoo.born.v1"], provides: ["acme.zoo"] };
  const bob: Shape = { ...ada, id: "acme.ape", owner: "bob" };
  assert.deepEqual(refused(ada, bob), { "acme.ape": [...taken, ...taken] });
  const inner: Shape = { id: "acme.zoo.born", owner: "bob", defines: ["acme.zoo.born.v1"] };
  assert.deepEqual(refused({ ...ada, provides: [] }, inner), { "acme.zoo": taken });
});

test("whatever another tenant's capsules say, what starts and who is bound to whom stays the same", () => {
  const names = ["globex.a", "globex.b", "globex.c", "acme.x", "shared"];
  const topics = ["globex.a.t.v1", "globex.b.t.v1", "acme.x.t.v1", "t.v1"];
  const some = (from: readonly string[]): fc.Arbitrary<string[]> => fc.subarray([...from]);
  const shape = (id: string, own: readonly string[], ownTopics: readonly string[]): fc.Arbitrary<Shape> =>
    fc.record({
      id: fc.constant(id),
      provides: some(own),
      requires: some(names),
      defines: some(ownTopics),
      publishes: some(topics),
      subscribes: some(topics),
    });
  const theirs = fc.tuple(
    shape("globex.a", ["globex.a"], ["globex.a.t.v1"]),
    shape("globex.b", ["globex.b"], ["globex.b.t.v1"]),
    shape("globex.c", ["globex.c"], []),
  );
  // One that gives foreign names takes part in nothing else, so half of them give their own.
  const stranger = (id: string, own: readonly string[], ownTopics: readonly string[]): fc.Arbitrary<Shape> =>
    fc.oneof(shape(id, own, ownTopics), shape(id, names, topics));
  const others = fc.tuple(stranger("acme.x", ["acme.x"], ["acme.x.t.v1"]), stranger("hooli.y", [], []));
  fc.assert(
    fc.property(theirs, others, (some, more) => {
      const alone = bind(...some);
      const among = bind(...some, ...more);
      const isTheirs = (id: string): boolean => id.startsWith("globex.");
      assert.deepEqual(among.order.filter(isTheirs), alone.order);
      assert.deepEqual(
        among.bindings.filter(({ requirer }) => isTheirs(requirer)),
        alone.bindings,
      );
    }),
    { numRuns: 500 },
  );
});
