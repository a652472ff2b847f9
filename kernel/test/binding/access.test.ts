/** Who may use what of whom: Y1 to Y3 over every pair of zones and tenants, then a node that keeps to it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { capsule } from "@vnes/sdk";
import {
  ACCESS_USES,
  type AccessUse,
  type Json,
  type Manifest,
  type Policy,
  type TrustZone,
} from "@vnes/schemas";
import { accessProblem } from "../../src/binding/access.ts";
import { bindingErrors } from "../../src/binding/errors.ts";
import { bootTestNode, manifestOf, policy, type TestCapsule } from "../harness/node-harness.ts";

const ZONES: readonly TrustZone[] = ["system", "tenant", "session", "ephemeral"];
const ladder: Policy["providers"] = {
  tenant: ["system"],
  session: ["system", "tenant"],
  ephemeral: ["system", "tenant"],
};

const of = (id: string, zone: TrustZone, owner?: string): Manifest =>
  manifestOf(id, {
    security: { trust_zone: zone },
    governance: { tier: "local", audit_level: "none", ...(owner === undefined ? {} : { owner }) },
  });

const may = (
  use: AccessUse,
  user: Manifest,
  owner: Manifest,
  rules: Pick<Policy, "access" | "providers"> = { providers: ladder },
): string => accessProblem(rules, use, "test.thing", { user, owner }) ?? "yes";

test("a capsule may always use its own, whatever policy says (Y1)", () => {
  for (const zone of ZONES) {
    for (const use of ACCESS_USES) {
      const one = of("test.a", zone);
      assert.equal(may(use, one, one, { providers: {}, access: [{ name: "*", to: [] }] }), "yes");
    }
  }
});

test("what a line of policy names, it decides alone, for the uses it names; the first one counts (Y2)", () => {
  const [user, owner] = [of("acme.a", "ephemeral", "acme"), of("globex.b", "tenant", "globex")];
  const open = { providers: {}, access: [{ name: "test.*", to: ["acme.*"] }] };
  for (const use of ACCESS_USES) assert.equal(may(use, user, owner, open), "yes");
  assert.equal(may("call", of("other.a", "tenant", "globex"), owner, open), "policy");
  const closed = { providers: ladder, access: [{ name: "test.thing", to: [] }, ...open.access] };
  assert.equal(may("call", of("globex.c", "tenant", "globex"), owner, closed), "policy");
  const readOnly: Pick<Policy, "access" | "providers"> = {
    providers: {},
    access: [{ name: "test.thing", use: ["subscribe"], to: ["acme.a"] }],
  };
  assert.deepEqual(
    [may("subscribe", user, owner, readOnly), may("publish", user, owner, readOnly)],
    ["yes", "zone"],
  );
});

test("nothing crosses between tenants, and between zones only what the ladder provides, publishing never (Y3)", () => {
  for (const use of ACCESS_USES) {
    for (const from of ZONES) {
      for (const to of ZONES) {
        for (const same of [true, false]) {
          const said = may(use, of("test.a", from, "acme"), of("test.b", to, same ? "acme" : "globex"));
          const crosses = from !== to && (use === "publish" || ladder[from]?.includes(to) !== true);
          const isSystem = from === "system" || to === "system";
          const expected = crosses ? "zone" : same || isSystem ? "yes" : "tenant";
          assert.equal(said, expected, `${use} from ${from} to ${to}, ${same ? "one tenant" : "two"}`);
        }
      }
    }
  }
  // Without an owner each is a tenant of its own.
  assert.equal(may("call", of("test.a", "tenant"), of("test.b", "tenant")), "tenant");
});

const thing = (id: string, owner: string, more: Partial<Manifest> = {}): TestCapsule => ({
  manifest: manifestOf(id, {
    security: { trust_zone: "tenant" },
    governance: { tier: "local", audit_level: "none", owner },
    ...more,
  }),
  bundle: () => capsule({}),
});

test("a node refuses what reaches for another tenant's capability, topic or keys, by name", async () => {
  const provider: TestCapsule = {
    ...thing("test.provider", "acme", {
      capabilities: { provides: ["test.provider"] },
      bus: { publishes: ["test.said.v1"] },
      state: { owns: ["k/"], shares: ["k/"] },
    }),
    spec: {
      "spec/schema.json": { $defs: { "test.provider.do.input": {} } },
      "spec/topics/test.said.v1.json": {
        schema_version: "v1",
        topic: "test.said.v1",
        owner: "test.provider",
        description: "",
        schemas: [{}],
        partition: { count: 1 },
        quality: "at_least_once",
        retention: {},
        flow: { policy: "shed", buffer: 10 },
      },
    },
  };
  const run = await bootTestNode({
    capsules: [
      provider,
      thing("test.calls", "globex", { capabilities: { provides: [], requires: ["test.provider"] } }),
      thing("test.listens", "globex", { bus: { subscribes: ["test.said.v1"] } }),
      thing("test.speaks", "globex", { bus: { publishes: ["test.said.v1"] } }),
      thing("test.hears", "acme", { bus: { subscribes: ["test.said.v1"] } }),
      thing("test.friend", "acme", { capabilities: { provides: [], requires: ["test.provider"] } }),
    ],
    parts: { unconfinedDev: true },
  });
  const { capsules } = await run.node.status();
  assert.deepEqual(
    Object.fromEntries(capsules.map(({ id, state, reason }) => [id, state === "active" ? state : reason])),
    {
      "test.calls": "BINDING_TENANT_FORBIDDEN",
      "test.friend": "active",
      "test.hears": "active",
      "test.listens": "BINDING_TOPIC_FORBIDDEN",
      "test.provider": "active",
      "test.speaks": "BINDING_TOPIC_FORBIDDEN",
    },
  );
  await run.node[Symbol.asyncDispose]();
  // What keeps test.hears from the fate of test.listens is what they are told to do.
  for (const code of ["BINDING_TOPIC_FORBIDDEN", "BINDING_TENANT_FORBIDDEN"] as const)
    assert.match(bindingErrors.create(code).remedy, /give both the same governance\.owner/);
});

test("a capability goes with its provider: who required it is told, and nothing reaches what was unloaded", async () => {
  const echo: TestCapsule = {
    manifest: manifestOf("test.echo", { capabilities: { provides: ["test.echo"] } }),
    spec: { "spec/schema.json": { $defs: { "test.echo.say.input": {} } } },
    bundle: () => capsule({ calls: { "test.echo.say": (_turn, input) => input } }),
  };
  const run = await bootTestNode({ capsules: [echo] });
  assert.deepEqual(await run.ask("test.echo", "say", 1), { ok: true, value: 1 });
  await run.node.unload("test.echo");
  const answer = (await run.ask("test.echo", "say", 1)) as { ok: boolean; code: string };
  assert.deepEqual([answer.ok, answer.code], [false, "CALL_CAPABILITY_UNAVAILABLE"]);
  await run.node[Symbol.asyncDispose]();
});

test("of two capsules that provide one capability nobody asks either, until one is left (B3)", async () => {
  const echo = (id: string, answer: string | number, output: Json): TestCapsule => ({
    manifest: manifestOf(id, { capabilities: { provides: ["echo@1.0.0"] } }),
    spec: { "spec/schema.json": { $defs: { "echo.say.input": {}, "echo.say.output": output } } },
    bundle: () => capsule({ calls: { "echo.say": () => answer } }),
  });
  const run = await bootTestNode({
    capsules: [
      echo("test.first", "first", { type: "string" }),
      echo("test.second", 2, { type: "number" }),
      { manifest: manifestOf("test.asks", { capabilities: { provides: [], requires: ["echo@^1"] } }) },
    ].map((one) => ({ bundle: () => capsule({}), ...one })),
  });
  const { capsules } = await run.node.status();
  assert.deepEqual(
    capsules.filter(({ id }) => id.startsWith("test.")).map(({ id, reason }) => [id, reason]),
    [
      ["test.first", "STARTED"],
      ["test.second", "STARTED"],
      ["test.asks", "BINDING_AMBIGUOUS"],
    ],
  );
  const answer = (await run.ask("echo", "say", 1)) as { ok: boolean; code: string; message: string };
  assert.deepEqual([answer.ok, answer.code], [false, "CALL_PROVIDER_AMBIGUOUS"]);
  assert.match(answer.message, /test\.first, test\.second/);
  await run.node.unload("test.first");
  // What is left is asked, and held to its own schemas.
  assert.deepEqual(await run.ask("echo", "say", 1), { ok: true, value: 2 });
  await run.node[Symbol.asyncDispose]();
});

test("a key that may sign for one tenant only cannot sign for another", async () => {
  const { trust } = await import("../harness/node-harness.ts");
  const keys = trust.keys.map((key) => ({ ...key, owners: ["acme"] }));
  const run = await bootTestNode({
    capsules: [thing("test.mine", "acme"), thing("test.theirs", "globex"), thing("test.nobodys", "acme")],
    parts: { unconfinedDev: true, trust: { ...trust, keys }, policy },
  });
  const { capsules } = await run.node.status();
  assert.deepEqual(
    capsules.map(({ id }) => id).filter((id) => id.startsWith("test.")),
    ["test.mine", "test.nobodys"],
  );
  const [quarantined] = await run.node.quarantined();
  assert.equal(quarantined?.id, "test.theirs");
  await run.node[Symbol.asyncDispose]();
});
